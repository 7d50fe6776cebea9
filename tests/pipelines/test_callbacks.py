"""What a callback sees of a generation, and what it may do to it."""

import threading

import numpy as np
import openvino as ov
import pytest

from tests.common import PROMPT
from tests.pipelines.common import QUICK_CACHE, SHORT


def test_callback_sees_every_step_in_order_in_this_thread(pipeline):
    seen = []

    def callback(step, num_steps, latents):
        seen.append((step, num_steps, latents.shape, threading.current_thread()))

    pipeline.generate(PROMPT, callback=callback, **SHORT)
    here = threading.current_thread()
    assert seen == [(step, 4, (1, 64, 64), here) for step in range(4)]


def test_callback_stops_before_the_next_step(pipeline):
    kept = []

    def callback(step, num_steps, latents):
        kept.append(latents)
        return step == 1

    result = pipeline.generate(PROMPT, callback=callback, num_inference_steps=6)
    assert result.report.interrupted
    assert len(result.report.step_s) == len(kept) == 2
    assert np.array_equal(result.data, pipeline.decode(kept[-1]))
    assert "interrupted" in str(result.report)


def test_decoding_in_a_callback_takes_the_size_of_this_generation(pipeline):
    """Not that of the one before, which may have as many tokens: 128x256 is not 256x128."""
    shapes = []

    def callback(step, num_steps, latents):
        shapes.append(pipeline.decode(latents).shape)

    for height, width in ((64, 128), (128, 64), (64, 64)):
        settings = {"height": height, "width": width, "num_inference_steps": 1}
        pipeline.generate(PROMPT, callback=callback, **settings)
        assert shapes.pop() == (1, height, width, 3)


def test_latents_and_what_they_decode_to_are_arrays_and_tensors(pipeline):
    seen = []
    result = pipeline.generate(PROMPT, callback=lambda *step: seen.append(step[2]), **SHORT)
    latents = seen[-1]
    assert (latents.element_type, latents.get_shape()) == (ov.Type.f32, [1, 64, 64])
    assert np.array_equal(latents.data[0], np.asarray(latents)[0])
    for given in (latents, latents.data, latents[:], ov.Tensor(latents), latents.data.tolist()):
        pictures = pipeline.decode(given)
        assert (pictures.element_type, pictures.get_shape()) == (ov.Type.u8, [1, 128, 128, 3])
        assert np.array_equal(pictures.data[0], result.data[0])
        assert np.array_equal(pictures, result.data)


@pytest.mark.parametrize(
    ("latents", "size", "error", "told"),
    [
        (np.zeros((1, 64, 64)), (128, 64), ValueError, r"of 64x128 .* \(N, 32, 64\), got \(1, 64,"),
        (np.zeros((64, 64)), (128, 128), ValueError, r"shape \(N, 64, 64\), got \(64, 64\)"),
        (np.zeros((0, 64, 64)), (128, 128), ValueError, r"got \(0, 64, 64\)"),
        ("latents", (128, 128), TypeError, "an array of numbers or a tensor, got 'latents'"),
        (None, (128, 128), TypeError, "got None"),
        (np.zeros((1, 64, 64)), (0, 128), ValueError, "height must be .* from 16 to .*, got 0"),
    ],
)
def test_what_is_no_latents_is_refused(pipeline, latents, size, error, told):
    with pytest.raises(error, match=told):
        pipeline.decode(latents, height=size[0], width=size[1])


def test_stopping_after_the_last_step_is_no_interruption(pipeline):
    stop_at_end = pipeline.generate(PROMPT, callback=lambda step, *_: step == 3, **SHORT)
    assert not stop_at_end.report.interrupted


def test_an_exception_in_the_callback_reaches_the_caller_and_leaves_nothing(pipeline):
    def callback(step, num_steps, latents):
        raise ZeroDivisionError("from the callback")

    cache = {"taylorseer_config": QUICK_CACHE, "num_inference_steps": 9}
    before = pipeline.generate(PROMPT, **cache).data
    with pytest.raises(ZeroDivisionError, match="from the callback"):
        pipeline.generate(PROMPT, callback=callback, **cache)
    assert np.array_equal(before, pipeline.generate(PROMPT, **cache).data)


def test_what_a_callback_does_to_its_latents_does_no_harm(pipeline):
    def callback(step, num_steps, latents):
        latents[...] = 0

    plain = pipeline.generate(PROMPT, **SHORT).data
    assert np.array_equal(plain, pipeline.generate(PROMPT, callback=callback, **SHORT).data)


def test_progress_counts_transformer_runs(pipeline):
    seen = []
    pipeline.generate(
        PROMPT,
        progress=lambda *counts: seen.append(counts),
        num_inference_steps=9,
        taylorseer_config=QUICK_CACHE,
    )
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
