"""The endurance run: what has grown is named, and a short run has not."""

import sys

import pytest

from scripts.benchmarks import endurance

pytestmark = pytest.mark.once


def test_a_short_run_holds_the_same(capsys):
    if sys.platform == "linux":
        assert endurance.main(["--count", "12", "--ways", "python"]) == 0
        told = capsys.readouterr().out
        assert "medians of the second and of the last quarter" in told
        assert '"grown": []' in told


@pytest.mark.parametrize(
    ("name", "grows", "expected"),
    [
        ("private_mib", 0.01, []),
        ("private_mib", 0.2, ["private_mib"]),
        ("descriptors", 0.1, ["descriptors"]),
        ("threads", 1, ["threads"]),
        ("temporary_files", -1, []),
    ],
)
def test_what_grows_is_named(name, grows, expected):
    samples = [
        {"private_mib": 100.0, "descriptors": 9, "threads": 3, "temporary_files": 500}
        | {name: 100.0 + grows * number}
        for number in range(100)
    ]
    assert endurance.grown(endurance.compare(samples)) == expected
