"""What the tests of batches use: quick lines, and how a folder is looked at."""

import json
import sys

import numpy as np
from PIL import Image

QUICK = {"steps": 2}
FAILS = {"guidance": 1e38}  # which the embedding of the guidance turns into infinities


def line(prompt="a red circle on black", **asked):
    return {"prompt": prompt} | QUICK | asked


def statuses(outcomes):
    return {outcome.line: outcome.status for outcome in outcomes}


def manifest(folder):
    first, *rows = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    assert first == {"format": "taylorseer_ov.batch/1"}
    return rows


def pictures(folder):
    return {path.name: np.asarray(Image.open(path)) for path in folder.glob("*.png")}


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}


def assert_clean(folder):
    """Nothing but whole pictures and the manifest."""
    assert [path.name for path in (folder / ".taylorseer-batch").iterdir()] == ["lines.sqlite"]
    names = {name for row in manifest(folder) for name in row["files"]}
    present = {path.name for path in folder.iterdir()}
    assert present == names | {"manifest.jsonl", ".taylorseer-batch"}


def command(folder, prompts, *options):
    """The command of a quick batch, as a process."""
    return [
        *(sys.executable, "-m", "taylorseer_ov.cli", "batch", "demo", prompts, "-o", folder),
        *("--precision", "f32", "--cache", "off", "--json", *options),
    ]


def events(output):
    return [json.loads(row) for row in output.splitlines()]


def drawn_lines(output):
    rows = events(output)
    return [row["line"] for row in rows if row["event"] == "line" and row["status"] == "drawn"]
