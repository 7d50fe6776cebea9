"""Settings and devices that are refused before any work."""

import threading

import numpy as np
import pytest

from taylorseer_ov import (
    CachePlan,
    CppStdGenerator,
    Generator,
    Image2ImagePipeline,
    Scheduler,
    Text2ImagePipeline,
    demo_model_path,
)
from taylorseer_ov.flux.tokenizer import Tokenizer
from tests.common import PROMPT
from tests.pipelines.common import SHORT


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"heigth": 64}, TypeError, "unknown setting 'heigth'; did you mean 'height'"),
        ({"generation_config": 1}, TypeError, "must be an ImageGenerationConfig, got 1"),
        ({"height": 72}, ValueError, "height must be a multiple of 16, got 72; 64 is the nearest"),
        ({"width": 0}, ValueError, "width must be a whole number from 16 to 65536, got 0"),
        ({"num_inference_steps": 0}, ValueError, "num_inference_steps .* 1 to 1000, got 0"),
        ({"num_inference_steps": 2.0}, TypeError, "num_inference_steps .*got 2.0"),
        ({"num_images_per_prompt": 0}, ValueError, "num_images_per_prompt .* from 1 to 256, got 0"),
        ({"max_sequence_length": 513}, ValueError, "max_sequence_length .* 1 to 512, got 513"),
        ({"rng_seed": -1}, ValueError, "rng_seed .* 0 to 4294967295, got -1"),
        ({"guidance_scale": "high"}, TypeError, "guidance_scale must be a number, got 'high'"),
        ({"guidance_scale": float("nan")}, ValueError, "guidance_scale must be finite"),
        ({"guidance_scale": 1e39}, ValueError, "guidance_scale must be finite in float32"),
        (
            {"guidance_scale": 10**400},
            ValueError,
            "guidance_scale must be finite, got a number of h",
        ),
        ({"height": 16**30}, ValueError, "height must be a whole number from 16 to 65536, got 13"),
        ({"height": np.array([64])}, TypeError, r"height must be a whole number .*got array\(\[64"),
        ({"rng_seed": int}, TypeError, "rng_seed must be a whole number .*got <class 'int'>"),
        (
            {"num_inference_steps": 10**6},
            ValueError,
            "num_inference_steps .* 1 to 1000, got 1000000",
        ),
        (
            {"num_images_per_prompt": 10**6},
            ValueError,
            "num_images_per_prompt .* 1 to 256, got 1000000",
        ),
        ({"negative_prompt": np.zeros(2)}, ValueError, "negative_prompt is not used by Flux"),
        ({"negative_prompt": "ugly"}, ValueError, "negative_prompt is not used by Flux"),
        ({"strength": 0.5}, ValueError, "strength must be 1.0 for text to image"),
        ({"adapters": "lora.safetensors"}, TypeError, r"an openvino_genai\.AdapterConfig, got 'l"),
        ({"prompt_2": 5}, TypeError, "prompt_2 must be a text, got 5"),
        (
            {"generator": 7},
            TypeError,
            r"generator must have a randn_tensor\(shape\)",
        ),
        (
            {"generator": Generator()},
            TypeError,
            "generator must .* as CppStdGenerator",
        ),
        ({"generator": CppStdGenerator}, TypeError, r"generator must .*; got <class"),
        ({"taylorseer_config": 3}, TypeError, "cache must be a preset, a TaylorSeerCacheConfig"),
        (
            {"cache": "quick"},
            ValueError,
            "cache='quick' is no preset .high, balanced, fast.",
        ),
        ({"cache": "x" * 5000}, ValueError, "cache='x{299} is no preset"),
        ({"cache": None, "taylorseer_config": None}, TypeError, "two names for one setting"),
        ({"recorder": 3}, TypeError, "recorder must be callable, got 3"),
        ({"callback": 3}, TypeError, "callback must be callable, got 3"),
        ({"progress": 3}, TypeError, "progress must be callable, got 3"),
    ],
)
def test_settings_are_checked_before_any_work(pipeline, settings, error, message):
    with pytest.raises(error, match=message):
        pipeline.generate(PROMPT, **settings)


def test_a_plan_for_another_number_of_steps_is_refused(pipeline):
    with pytest.raises(ValueError, match="plan is for 5 steps, not for 4"):
        pipeline.generate(PROMPT, taylorseer_config=CachePlan.uncached(5), **SHORT)


def test_a_prompt_must_be_a_text(pipeline):
    with pytest.raises(TypeError, match="prompt must be a text, got None"):
        pipeline.generate(None)


def test_unknown_device_and_backend():
    with pytest.raises(ValueError, match=r"unknown device 'TPU'; available here: .*CPU"):
        Text2ImagePipeline(demo_model_path(), "TPU")
    with pytest.raises(ValueError, match="unknown device 'XPU'"):
        Text2ImagePipeline(demo_model_path(), "AUTO:XPU,CPU")
    with pytest.raises(ValueError, match="backend must be 'auto', 'native' or 'python', got 'cpp'"):
        Text2ImagePipeline(demo_model_path(), backend="cpp")


def test_two_generations_at_once_are_refused(pipeline):
    refused = []

    def callback(step, num_steps, latents):
        with pytest.raises(RuntimeError, match="already generating; use one pipeline per thread"):
            pipeline.generate(PROMPT, **SHORT)
        refused.append(step)

    pipeline.generate(PROMPT, callback=callback, num_inference_steps=1)
    assert refused == [0]


def test_a_second_thread_is_refused_before_its_prompt_is_tokenized(pipeline, monkeypatch):
    """Tokenizers serve one at a time as well: "Infer Request is busy" helps nobody."""
    sentences = []
    tokenizing = threading.Barrier(2, timeout=30)
    encode = Tokenizer.encode

    def slow_encode(tokenizer, prompt):
        if prompt == PROMPT:
            tokenizing.wait()  # the other thread begins now
            tokenizing.wait()  # and has ended
            monkeypatch.setattr(Tokenizer, "encode", encode)
        return encode(tokenizer, prompt)

    def other():
        tokenizing.wait()
        try:
            pipeline.generate("a large blue star on a red background", **SHORT)
        except RuntimeError as error:
            sentences.append(str(error))
        tokenizing.wait()

    monkeypatch.setattr(Tokenizer, "encode", slow_encode)
    thread = threading.Thread(target=other)
    thread.start()
    result = pipeline.generate(PROMPT, **SHORT)
    thread.join()
    assert len(sentences) == 1
    assert "already generating; use one pipeline per thread" in sentences[0]
    assert result.data.any()


@pytest.mark.parametrize("kind", [Text2ImagePipeline, Image2ImagePipeline])
def test_models_are_not_compiled_or_changed_while_they_draw(kind):
    """Loading runs every model once: the picture under way would go on with another prompt."""
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python")
    other = kind(pipeline)
    expected = pipeline.generate(PROMPT, **SHORT)
    scheduler = Scheduler.from_config(demo_model_path() / "scheduler" / "scheduler_config.json")

    def callback(step, num_steps, latents):
        for change in (
            lambda: other.compile("CPU"),
            lambda: other.reshape(1, 64, 64, 3.5),
            lambda: other.set_scheduler(scheduler),
        ):
            with pytest.raises(RuntimeError, match="already generating"):
                change()

    assert np.array_equal(pipeline.generate(PROMPT, callback=callback, **SHORT).data, expected.data)
    assert pipeline.backends.setup.static is None
    other.compile("CPU")


def test_a_second_thread_can_neither_decode_nor_prepare_during_a_generation(pipeline):
    """Both used what generating uses, and either of the two ended with "Infer Request is busy"."""
    refused = []

    def use(function, argument):
        try:
            function(argument)
        except RuntimeError as error:
            refused.append(str(error))

    def other(latents):
        use(pipeline.decode, latents)
        use(pipeline.prepare, PROMPT)

    def callback(step, num_steps, latents):
        thread = threading.Thread(target=other, args=(latents,))
        thread.start()
        thread.join()
        other(latents)  # in the thread that generates, the models are at rest

    pipeline.generate(PROMPT, callback=callback, num_inference_steps=1)
    assert len(refused) == 2
    assert all("already generating" in sentence for sentence in refused)


def test_decoding_refuses_a_size_of_nothing(pipeline):
    latents = np.zeros((1, 64, 64), np.float32)
    with pytest.raises(ValueError, match="height must be a whole number from 16 to 65536, got 0"):
        pipeline.decode(latents, height=0)
