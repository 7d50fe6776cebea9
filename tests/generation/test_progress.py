"""Waiting for a picture: the time left, and stopping."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from taylorseer_ov import ErrorControl, TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path
from taylorseer_ov.cli.interrupts import in_thread
from taylorseer_ov.generation.progress import TimeLeft

PROMPT = "a large red circle on a blue background"
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def test_time_left_goes_by_runs_and_forgets_the_slow_first_one():
    clock = Clock()
    left = TimeLeft(clock)
    assert left.after(0, 10) is None
    clock.now_s = 5.0
    assert left.after(1, 10) == 50.0  # nine runs and the VAE, as long as the first
    clock.now_s = 7.0
    assert left.after(2, 10) == 18.0
    clock.now_s = 11.0
    assert left.after(4, 10) == 14.0  # one call was left out
    assert left.after(10, 10) == pytest.approx(6 / 9)


def test_time_left_counts_the_vae_as_it_took_before():
    clock = Clock()
    left = TimeLeft(clock, decoding_s=7.0)
    clock.now_s = 2.0
    assert left.after(1, 5) == 15.0
    clock.now_s = 6.0
    assert left.after(5, 5) == 7.0


def test_runs_in_all_are_exact_for_a_plan_and_nearly_so_under_error_control(pipeline):
    for cache, slack in ((TaylorSeerCacheConfig(), 0), (ErrorControl(), 4)):
        seen = []
        result = pipeline.generate(
            PROMPT, cache=cache, progress=lambda done, runs, seen=seen: seen.append((done, runs))
        )
        runs = result.report.computed_steps
        assert seen[-1] == (runs, runs)
        third = [expected for done, expected in seen if done >= runs / 3]
        assert max(abs(expected - runs) for expected in third) <= slack


def stop_after(steps):
    asked = []

    def stop():
        asked.append(True)
        return len(asked) >= steps

    return stop


def test_stop_ends_after_the_step_and_decodes(pipeline):
    config = TaylorSeerCacheConfig()
    stopped = pipeline.generate(PROMPT, cache=config, stop=stop_after(9))
    assert stopped.report.interrupted
    assert len(stopped.report.step_s) == 9
    assert stopped.report.schedule.startswith("CCCCCC..C..C")
    latents = []
    pipeline.generate(
        PROMPT, cache=config, callback=lambda step, n, x: latents.append(x) or len(latents) == 9
    )
    assert np.array_equal(stopped.data, pipeline.decode(latents[-1]))
    at_the_end = pipeline.generate(PROMPT, num_inference_steps=2, stop=stop_after(2))
    assert not at_the_end.report.interrupted


@pytest.mark.native
def test_stop_with_native_decodes_the_latents_it_was_stopped_at(pipeline):
    native = Text2ImagePipeline(demo_model_path(), backend="native", **F32)
    config = TaylorSeerCacheConfig()
    stopped = native.generate(PROMPT, cache=config, stop=stop_after(9))
    assert stopped.report.interrupted
    # openvino_genai may go on while its callback is asked, so the step is not certain
    latents = []
    pipeline.generate(PROMPT, cache=config, callback=lambda step, n, x: latents.append(x))
    assert any(np.array_equal(stopped.data, pipeline.decode(x)) for x in latents[8:27])
    whole = native.generate(PROMPT, cache=config)
    assert not whole.report.interrupted
    assert np.array_equal(whole.data, pipeline.generate(PROMPT, cache=config).data)


@pytest.mark.posix
def test_interrupts_ask_once_and_the_handler_is_restored():
    # in a process of its own: pytest's fault handler puts signal handlers on a small stack
    code = """
import os, signal
from taylorseer_ov.cli.interrupts import stop_on_interrupt
before = signal.getsignal(signal.SIGINT)
with stop_on_interrupt() as stop:
    assert not stop()
    os.kill(os.getpid(), signal.SIGINT)
    assert stop()
assert signal.getsignal(signal.SIGINT) is before
with stop_on_interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    print("not reached")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert done.stderr.count("Ctrl-C again stops at once") == 2
    assert done.stdout == ""


def test_errors_of_a_thread_come_back():
    assert in_thread(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        in_thread(lambda: 1 / 0)


def interrupted_command(folder, times):
    """Start a long generation, press Ctrl-C some steps into it, and return how it ended."""
    command = [sys.executable, "-m", "taylorseer_ov.cli", "generate", "demo", PROMPT]
    options = ["--steps", "3000", "--cache", "off", "-o", str(folder), "--json"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if '"runs": 3,' in line:
            break
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3 if times > 1 else 0)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.posix
def test_one_ctrl_c_saves_what_there_is(tmp_path):
    status, out, err = interrupted_command(tmp_path, 1)
    assert status == 130
    assert '"interrupted": true' in out
    assert "Traceback" not in err
    (path,) = tmp_path.iterdir()
    with Image.open(path) as picture:
        assert picture.size == (128, 128)
