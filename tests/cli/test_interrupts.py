"""Ctrl-C and SIGTERM during a generation: what there is is saved; a second one ends it at once."""

import signal
import subprocess
import sys
import time

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
    assert not stop()
    os.kill(os.getpid(), signal.SIGINT)
    assert stop()
assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
with stop_on_interrupt():
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


def interrupted_command(folder, times, signum=signal.SIGINT):
    """Start a long generation, send a signal some steps into it, and return how it ended."""
    command = [sys.executable, "-m", "taylorseer_ov.cli", "generate", "demo", PROMPT]
    options = ["--steps", "1000", "--cache", "off", "-o", str(folder), "--json"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if '"runs": 3,' in line:
            break
    for _ in range(times):
        process.send_signal(signum)
        time.sleep(0.3 if times > 1 else 0)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.posix
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_one_ctrl_c_saves_what_there_is(tmp_path, signum):
    """One SIGTERM too: what `timeout`, a service or a container's end sends."""
    status, out, err = interrupted_command(tmp_path, 1, signum)
    assert status == 130
    assert '"interrupted": true' in out
    assert "Traceback" not in err
    (path,) = tmp_path.iterdir()
    with Image.open(path) as picture:
        assert picture.size == (128, 128)
