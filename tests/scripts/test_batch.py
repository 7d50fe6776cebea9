"""The benchmark of batches: it goes through all lines, and draws those it says."""

import json

import pytest

from scripts.benchmarks import batch as script

pytestmark = pytest.mark.once


def test_all_lines_are_gone_through_and_some_are_drawn(tmp_path):
    found = script.measure(30, 5, str(tmp_path))
    assert len(list(tmp_path.glob("*.png"))) == 5
    rows = (tmp_path / "manifest.jsonl").read_text().splitlines()[1:]
    assert [json.loads(row)["status"] for row in rows].count("pending") == 25
    assert 0 < found["first_s"] < found["total_s"]
    assert found["picture_ms"] > 0
    assert found["late_picture_ms"] > 0
    assert found["line_ms"] > 0
    again = script.measure(30, 5, str(tmp_path))
    assert again["first_s"] > 0
    assert again["picture_ms"] is None  # all of them are there


def test_misuse_is_told(capsys):
    assert script.main(["--lines", "3"]) == 2
    assert "--lines must be at least --pictures, got 3" in capsys.readouterr().err
