"""What is shown while a picture is drawn: in a terminal, in a file, and how often."""

import json
import os
import re
import subprocess
import sys

import pytest

from taylorseer_ov.cli import main, waiting
from taylorseer_ov.cli.console import Console
from tests.common import PROMPT

GENERATE = ["generate", "demo", PROMPT, "--cache", "off"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def lines_of(capsys):
    return capsys.readouterr().err.splitlines()


def test_without_a_terminal_at_most_a_line_every_tenth(monkeypatch, capsys):
    monkeypatch.setattr(waiting, "SHORTEST_S", 0)
    with Console(json=False, quiet=False).progress("drawing") as shown:
        with shown.loading("flux-dev"):
            pass
        shown.begin(57)
        for done in range(1, 58):
            shown(done, 57)
    loading, *drawing = lines_of(capsys)
    assert loading == "loading flux-dev"
    told = [re.fullmatch(r"drawing: (\d+) of 57 runs(, \d+ s left)?", line)[1] for line in drawing]
    assert [int(done) * 10 // 57 for done in told] == list(range(1, 11))
    assert drawing[-1] == "drawing: 57 of 57 runs, 0 s left"


def test_of_a_picture_that_is_soon_done_no_line(monkeypatch, capsys):
    monkeypatch.setattr(waiting, "SHORTEST_S", 60)
    with Console(json=False, quiet=False).progress("drawing") as shown:
        shown.begin(9)
        for done in range(1, 10):
            shown(done, 9)
    assert lines_of(capsys) == []


@pytest.mark.parametrize(
    "wrong", [["--steps", "2000"], ["--cache", "none.json"], ["--guidance", "-1"]]
)
def test_nothing_is_shown_before_what_was_typed_is_checked(wrong, capsys):
    assert main([*GENERATE, *wrong]) == 2
    (line,) = lines_of(capsys)
    assert line.startswith("taylorseer-ov: error: ")
    assert main([*GENERATE, *wrong, "--json"]) == 2
    (event,) = capsys.readouterr().out.splitlines()
    assert json.loads(event)["event"] == "error"


@pytest.mark.native  # OpenVINO of 2025 compiles for a size in the first run of it
def test_loading_takes_no_part_in_the_time_that_is_left(capsys):
    """The models' loading, which is most of a short command, was in the first estimate."""
    assert main([*GENERATE, "--steps", "40", "--seed", "1", "2", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events[:2]] == ["loading", "progress"]
    assert sum(event["event"] == "loading" for event in events) == 1
    report = events[-1]["report"]
    left = [event["seconds_left"] for event in events if event.get("seconds_left") is not None]
    assert max(left) < 5 * report["total_s"]
    assert events[1]["seconds_left"] is None


def test_in_little_memory_each_part_is_told_and_left_out_of_the_time(capsys):
    options = ["--low-memory", "--steps", "20", "--backend", "python", "--json"]
    assert main([*GENERATE, *options]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [event.get("model", event["event"]) for event in events]
    assert kinds[:3] == ["text_encoder", "text_encoder_2", "transformer"]
    assert kinds[3:-3] == ["progress"] * 20
    assert kinds[-3:] == ["vae_decoder", "progress", "picture"]
    left = [event["seconds_left"] for event in events if event.get("seconds_left") is not None]
    assert max(left) < 5 * events[-1]["report"]["total_s"]


@pytest.mark.posix
def test_a_terminal_shows_a_bar_even_if_it_tells_no_size():
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "taylorseer_ov.cli", *GENERATE, "--steps", "30"]
    done = subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # on Linux, the end of what a closed terminal has to say
            break
        if not piece:
            break
        shown += piece
    assert done.wait(60) == 0
    os.close(ours)
    frames = shown.decode().split("\r")
    assert any("loading demo_model" in frame for frame in frames)
    assert "30/30 runs" in frames[-2] + frames[-1]
    assert shown.count(b"\n") == 1  # no more of a bar than its end stays
