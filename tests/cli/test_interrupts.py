"""Ctrl-C and SIGTERM during a generation: what there is is saved; a second one ends it at once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from taylorseer_ov.cli.interrupts import in_thread
from tests.common import PROMPT


@pytest.mark.posix
def test_interrupts_ask_once_and_the_handler_is_restored():
    # in a process of its own: pytest's fault handler puts signal handlers on a small stack
    code = """
import os, signal
from taylorseer_ov.cli.interrupts import stop_on_interrupt
before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
with stop_on_interrupt() as stop:
    stop.begin()
    assert not stop()
    os.kill(os.getpid(), signal.SIGINT)
    assert stop()
assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
with stop_on_interrupt() as stop:
    stop.begin()
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    print("not reached")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert done.stderr.count("Ctrl-C again stops at once") == 1
    assert done.stderr.count("SIGTERM again stops at once") == 1
    assert done.stdout == ""


def test_errors_of_a_thread_come_back():
    assert in_thread(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        in_thread(lambda: 1 / 0)


def interrupted_command(folder, signum, compiled):
    """Start a long generation, send a signal some steps into it, and return how it ended."""
    command = [sys.executable, "-m", "taylorseer_ov.cli", "generate", "demo", PROMPT]
    options = ["--steps", "1000", "--cache", "off", "-o", str(folder), "--json"]
    options += ["--cache-dir", str(compiled)]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if '"runs": 3,' in line:
            break
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.posix
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_one_ctrl_c_saves_what_there_is(tmp_path, signum, compiled):
    """One SIGTERM too: what `timeout`, a service or a container's end sends."""
    status, out, err = interrupted_command(tmp_path, signum, compiled)
    assert status == 130
    assert '"interrupted": true' in out
    assert "Traceback" not in err
    (path,) = tmp_path.iterdir()
    with Image.open(path) as picture:
        assert picture.size == (128, 128)


COMMANDS = {
    "generate": ["generate", "demo", PROMPT, "-o", "out"],
    "frugal": ["generate", "demo", PROMPT, "-o", "out", "--low-memory"],
    "batch": ["batch", "demo", "lines.txt", "-o", "out"],
    "compare": ["compare", "demo", PROMPT, "--output-dir", "out"],
    "calibrate": ["calibrate", "demo", "--prompts", "lines.txt"],
}


@pytest.mark.once
@pytest.mark.posix
@pytest.mark.parametrize(
    ("name", "signum"),
    [("generate", signal.SIGINT), *((name, signal.SIGTERM) for name in COMMANDS)],
)
def test_a_signal_while_models_load_ends_the_command(tmp_path, name, signum):
    """At once, with a line and without half a file: there is nothing yet that could be saved."""
    (tmp_path / "lines.txt").write_text(f"{PROMPT}\n" * 12)
    process = subprocess.Popen(
        [sys.executable, "-m", "taylorseer_ov.cli", *COMMANDS[name]],
        cwd=tmp_path,
        env=os.environ | {"TAYLORSEER_OV_DATA_DIR": str(tmp_path / "learned")},
        stderr=subprocess.PIPE,
        text=True,
    )
    maps = Path(f"/proc/{process.pid}/maps")
    while "openvino_model.bin" not in maps.read_text():  # weights are being read
        assert process.poll() is None
    process.send_signal(signum)
    began = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert time.monotonic() - began < 5
    assert [line for line in err.splitlines() if line.startswith("taylorseer-ov: ")] == [
        "taylorseer-ov: error: stopped"
    ]
    assert "Traceback" not in err
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert {path.name for path in left} <= {"lines.txt", "manifest.jsonl", "lines.sqlite"}


@pytest.mark.posix
def test_a_second_signal_ends_at_once():
    code = """
import os, signal, threading, time
from taylorseer_ov.cli.interrupts import end_on_interrupt, in_thread
again = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
with end_on_interrupt():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        again.start()
        time.sleep(60)  # putting away what is half done
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 130
    assert done.stderr == ""
