"""Waiting for a picture: the time left, and stopping."""

import numpy as np
import pytest

from taylorseer_ov import ErrorControl, TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path
from taylorseer_ov.generation.progress import TimeLeft
from tests.common import F32, PROMPT


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


def test_time_left_waits_for_a_second_run_if_the_first_was_short():
    """Most of a short first run is the encoding of the prompt and the warming up."""
    clock = Clock()
    left = TimeLeft(clock)
    clock.now_s = 0.9
    assert left.after(1, 10) is None
    clock.now_s = 1.0
    assert left.after(2, 10) == pytest.approx(0.9)


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
