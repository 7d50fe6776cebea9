"""One generation ends where the next begins."""

import gc
import threading
from contextlib import nullcontext

import numpy as np
import pytest

from taylorseer_ov import cache_report, enable_cache
from taylorseer_ov.caching.cached_velocity import CachedVelocity
from tests.common import PROMPT
from tests.optimum.common import (
    CONFIG,
    HEIGHT,
    NEGATIVE,
    SCHEDULE,
    STEPS,
    TOKENS,
    WIDTH,
    counted,
    draw,
    load,
)

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]


def test_generations_share_nothing(flux):
    different = [
        {"seed": 1},
        {"prompt": "a small white star"},
        {"height": 96},
        {"num_inference_steps": 12},
        {"num_images_per_prompt": 2},
        {"prompt": [PROMPT, "two stars"]},
        NEGATIVE,
        {},
    ]
    expected = []
    for settings in different:
        with enable_cache(flux, CONFIG):
            expected.append(draw(flux, **settings))
    enable_cache(flux, CONFIG)
    for settings, latents in zip(different, expected, strict=True):
        assert np.array_equal(draw(flux, **settings), latents)


def interrupt(pipeline, step, timestep, values):
    pipeline._interrupt = step == 4
    return {}


def fail(pipeline, step, timestep, values):
    if step == 4:
        raise KeyError("the caller's own")
    return {}


@pytest.mark.parametrize("callback", [interrupt, fail])
def test_a_generation_that_ends_early_leaves_nothing(flux, callback):
    enable_cache(flux, CONFIG)
    expected = draw(flux)
    with pytest.raises(KeyError) if callback is fail else nullcontext():
        draw(flux, seed=1, callback_on_step_end=callback)
    report = cache_report(flux)
    assert report.steps_taken == 5
    assert report.branches[0].schedule == SCHEDULE[:5]
    assert np.array_equal(draw(flux), expected)


def test_a_failing_denoiser_ends_the_generation(flux, monkeypatch):
    enable_cache(flux, CONFIG)
    expected = draw(flux)
    with monkeypatch.context() as broken:
        runs = counted(flux.transformer, broken)
        working = flux.transformer.request

        def breaks(*args, **kwargs):
            if len(runs) == 3:
                raise RuntimeError("out of memory")
            return working(*args, **kwargs)

        broken.setattr(flux.transformer, "request", breaks)
        with pytest.raises(RuntimeError, match="out of memory"):
            draw(flux)
    assert cache_report(flux).branches[0].schedule == SCHEDULE[:5]
    assert not [held for held in gc.get_objects() if isinstance(held, CachedVelocity)]
    assert np.array_equal(draw(flux), expected)


def test_kept_outputs_are_gone_before_the_vae_decodes(flux, monkeypatch):
    held = []
    decode = flux.vae.decode

    def decoding(*args, **kwargs):
        held.extend(found for found in gc.get_objects() if isinstance(found, CachedVelocity))
        return decode(*args, **kwargs)

    monkeypatch.setattr(flux.vae, "decode", decoding)
    enable_cache(flux, CONFIG)
    flux(PROMPT, height=HEIGHT, width=WIDTH, num_inference_steps=STEPS, max_sequence_length=TOKENS)
    assert cache_report(flux).predicted_calls
    assert held == []


def test_pipelines_in_threads_share_nothing(flux, exported):
    other = load("OVFluxPipeline", exported[0])
    expected = []
    for pipeline, seed, cache in ((flux, 0, CONFIG), (other, 1, "fast")):
        with enable_cache(pipeline, cache):
            expected.append(draw(pipeline, seed))
    enable_cache(flux, CONFIG)
    enable_cache(other, "fast")
    found = {}

    def work(pipeline, seed):
        found[seed] = [draw(pipeline, seed) for _ in range(3)]

    threads = [threading.Thread(target=work, args=pair) for pair in ((flux, 0), (other, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, latents in enumerate(expected):
        assert all(np.array_equal(again, latents) for again in found[seed])
