"""A warning of the package points at the line of the program that called it."""

import warnings
from pathlib import Path

import pytest

import taylorseer_ov
from taylorseer_ov.caching.schedule import InactiveCacheWarning

PACKAGE = Path(taylorseer_ov.__file__).parent
PROGRAM = """from taylorseer_ov import TaylorSeerCacheConfig, step_schedule

step_schedule(TaylorSeerCacheConfig(), 4)
"""


# beside the package too, under a name that begins as the package's does
@pytest.mark.parametrize("path", [Path("program.py"), PACKAGE.with_name(PACKAGE.name + "_app.py")])
def test_a_warning_points_at_the_program(path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(PROGRAM, str(path), "exec"), {"__name__": "program"})
    (warning,) = caught
    assert warning.category is InactiveCacheWarning
    assert (warning.filename, warning.lineno) == (str(path), 3)
