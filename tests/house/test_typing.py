"""What an editor and a type checker know of the public functions."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from taylorseer_ov import ImageGenerationConfig
from taylorseer_ov.generation.settings import GenerationSettings

HERE = Path(__file__).parent
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def errors():
    """What mypy says of the samples: by file, the message of each line that it refuses."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--follow-imports=silent",
    ]
    command += ["--ignore-missing-imports", "--no-error-summary", "--hide-error-context"]
    run = subprocess.run(
        [*command, "tests/house/typed_good.py", "tests/house/typed_bad.py"],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    found = {"typed_good.py": {}, "typed_bad.py": {}}
    for path, line, message in re.findall(r"^(.*?):(\d+): error: (.*)$", run.stdout, re.MULTILINE):
        found[Path(path).name][int(line)] = message
    return found


def test_what_users_write_is_accepted(errors):
    assert errors["typed_good.py"] == {}


def test_what_is_wrong_is_refused(errors):
    lines = (HERE / "typed_bad.py").read_text().splitlines()
    expected = {
        number: line.partition("# error: ")[2]
        for number, line in enumerate(lines, 1)
        if "# error: " in line
    }
    assert errors["typed_bad.py"].keys() == expected.keys()
    for number, told in expected.items():
        assert told in errors["typed_bad.py"][number]


def test_the_typed_settings_are_those_that_are_taken():
    config = {field.name: field.type for field in fields(ImageGenerationConfig)}
    typed = {
        name: hint.__forward_arg__ for name, hint in GenerationSettings.__annotations__.items()
    }
    assert typed == config | {"taylorseer_config": "Any"}
    for name in typed:
        now = ImageGenerationConfig()
        assert now.updated({name: getattr(now, name)}) == now
