"""Text to image on the Python backend: settings, shapes, prompts."""

import numpy as np
import pytest

from taylorseer_ov import (
    CachePlan,
    ImageGenerationConfig,
    InactiveCacheWarning,
    PromptWarning,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
)
from tests.common import F32, PROMPT
from tests.pipelines.common import QUICK_CACHE, SHORT


def test_result_and_report(pipeline):
    result = pipeline.generate(PROMPT, num_inference_steps=9, taylorseer_config=QUICK_CACHE)
    assert result.data.shape == (1, 128, 128, 3)
    assert result.data.dtype == np.uint8
    assert np.array_equal(np.asarray(result.images[0]), result.data[0])
    report = result.report
    assert report.schedule == "CC..C..CC"
    assert (report.computed_steps, report.predicted_steps) == (5, 4)
    assert len(report.step_s) == 9
    assert report.seed == 42
    assert 0 < report.text_encoding_s + sum(report.step_s) + report.vae_s <= report.total_s
    assert not report.interrupted


def test_equal_seeds_give_equal_pictures_and_other_seeds_others(pipeline):
    first = pipeline.generate(PROMPT, rng_seed=1, **SHORT).data
    assert np.array_equal(first, pipeline.generate(PROMPT, rng_seed=1, **SHORT).data)
    assert not np.array_equal(first, pipeline.generate(PROMPT, rng_seed=2, **SHORT).data)


def test_settings_of_a_call_do_not_stay(pipeline):
    before = pipeline.generate(PROMPT, **SHORT).data
    pipeline.generate(PROMPT, rng_seed=9, height=96, width=160, max_sequence_length=16, **SHORT)
    assert np.array_equal(before, pipeline.generate(PROMPT, **SHORT).data)


def test_a_plan_that_computes_every_step_changes_nothing(pipeline):
    plain = pipeline.generate(PROMPT, **SHORT)
    planned = pipeline.generate(PROMPT, taylorseer_config=CachePlan.uncached(4), **SHORT)
    assert np.array_equal(plain.data, planned.data)


def test_pictures_at_once_have_the_noise_of_one_draw(pipeline):
    pair = pipeline.generate(PROMPT, num_images_per_prompt=2, **SHORT).data
    assert pair.shape == (2, 128, 128, 3)
    alone = pipeline.generate(PROMPT, **SHORT).data
    assert np.abs(pair[0].astype(int) - alone[0]).max() <= 1
    assert np.abs(pair[1].astype(int) - alone[0]).max() > 20


def test_rectangles(pipeline):
    assert pipeline.generate(PROMPT, height=96, width=160, **SHORT).data.shape == (1, 96, 160, 3)


def test_prompt_2_is_what_t5_reads(pipeline):
    plain = pipeline.generate(PROMPT, **SHORT).data
    same = pipeline.generate(PROMPT, prompt_2=PROMPT, **SHORT).data
    other = pipeline.generate(PROMPT, prompt_2="a small white star on black", **SHORT).data
    assert np.array_equal(plain, same)
    assert not np.array_equal(plain, other)


def test_a_generator_keeps_its_state(pipeline):
    class Noise:
        def __init__(self):
            self.random = np.random.default_rng(0)

        def randn_tensor(self, shape):
            return self.random.standard_normal(tuple(shape))

    noise = Noise()
    first = pipeline.generate(PROMPT, generator=noise, **SHORT)
    assert first.report.seed is None
    assert not np.array_equal(first.data, pipeline.generate(PROMPT, generator=noise, **SHORT).data)
    again = pipeline.generate(PROMPT, generator=Noise(), **SHORT)
    assert np.array_equal(first.data, again.data)


def test_a_generator_of_another_shape_is_refused(pipeline):
    class Wrong:
        def randn_tensor(self, shape):
            return np.zeros(3)

    with pytest.raises(ValueError, match=r"drew noise of shape \(3,\), not \(1, 16, 16, 16\)"):
        pipeline.generate(PROMPT, generator=Wrong(), **SHORT)


@pytest.mark.parametrize(("name", "runs"), [("high", 14), ("balanced", 10), ("fast", 8)])
def test_presets_are_shares_of_the_steps(pipeline, name, runs):
    report = pipeline.generate(PROMPT, cache=name).report
    assert report.computed_steps == runs
    assert report.cache.startswith(f"{name}: ")
    assert f"cache: {name}: " in str(report)


def test_presets_with_few_steps_say_that_caching_cannot_help(pipeline):
    with pytest.warns(InactiveCacheWarning, match="distilled to so few steps leaves nothing"):
        report = pipeline.generate(PROMPT, cache="fast", **SHORT).report
    assert report.schedule == "CCCC"


def test_a_plan_is_loaded_from_its_file(pipeline, tmp_path):
    sigmas = pipeline.sigmas(num_inference_steps=9)
    plan = CachePlan.from_mask("CC..C..CC", sigmas, corrector=True)
    path = tmp_path / "plan.json"
    path.write_text(plan.to_json())
    settings = {"num_inference_steps": 9}
    loaded = pipeline.generate(PROMPT, cache=str(path), **settings)
    assert loaded.report.cache == str(path)
    assert np.array_equal(loaded.data, pipeline.generate(PROMPT, cache=plan, **settings).data)
    with pytest.raises(ValueError, match=r"made for other sigmas .* build one for these"):
        pipeline.generate(PROMPT, cache=plan, height=512, width=512, **settings)


def test_recorder_sees_the_outputs_of_the_runs(pipeline):
    seen = {}
    pipeline.generate(
        PROMPT,
        recorder=lambda step, output: seen.update({step: output.shape}),
        num_inference_steps=9,
        cache=QUICK_CACHE,
    )
    assert seen == dict.fromkeys((0, 1, 4, 7, 8), (1, 64, 64))


def test_static_shapes_draw_the_same_picture(pipeline):
    static = Text2ImagePipeline(demo_model_path(), backend="python", **F32)
    static.reshape(1, 96, 128, 3.5)
    dynamic = pipeline.generate(PROMPT, height=96, width=128, **SHORT).data
    fixed = static.generate(PROMPT, **SHORT).data
    assert fixed.shape == (1, 96, 128, 3)
    assert np.abs(fixed.astype(int) - dynamic).max() <= 1
    with pytest.raises(ValueError, match="reshaped to one size; asked for height 64 instead of 96"):
        static.generate(PROMPT, height=64)
    message = "for num_images_per_prompt 2 instead of 1, max_sequence_length 8 instead of 32"
    with pytest.raises(ValueError, match=message):
        static.generate(PROMPT, num_images_per_prompt=2, max_sequence_length=8)


def test_a_device_for_each_part(pipeline):
    parts = Text2ImagePipeline(demo_model_path(), backend="python", **F32)
    parts.compile("CPU", "AUTO:CPU", "CPU")
    drawn = parts.generate(PROMPT, **SHORT)
    assert drawn.report.devices == ("CPU", "AUTO:CPU", "CPU")
    assert np.array_equal(drawn.data, pipeline.generate(PROMPT, **SHORT).data)
    with pytest.raises(TypeError, match="one device, or three"):
        parts.compile("CPU", "CPU")


def test_an_npu_is_told_to_be_reshaped_first(monkeypatch):
    monkeypatch.setattr("taylorseer_ov.pipelines.loading.check_device", lambda device: None)
    parts = Text2ImagePipeline(demo_model_path(), backend="python")
    with pytest.raises(ValueError, match="an NPU needs fixed shapes: call reshape"):
        parts.compile("CPU", "NPU", "CPU")


def test_properties_reach_openvino(tmp_path):
    cached = Text2ImagePipeline(demo_model_path(), backend="python", CACHE_DIR=str(tmp_path), **F32)
    cached.generate(PROMPT, num_inference_steps=1)
    assert list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="NO_SUCH_PROPERTY"):
        Text2ImagePipeline(demo_model_path(), backend="python", NO_SUCH_PROPERTY=1)


def test_stored_settings_are_used_and_copied():
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python")
    config = pipeline.get_generation_config()
    assert isinstance(config, ImageGenerationConfig)
    assert (config.height, config.width, config.max_sequence_length) == (128, 128, 32)
    assert config.cache == config.taylorseer_config == TaylorSeerCacheConfig()
    config.num_inference_steps = 9
    config.taylorseer_config = QUICK_CACHE
    assert pipeline.get_generation_config().num_inference_steps == 28
    pipeline.set_generation_config(config)
    assert pipeline.generate(PROMPT).report.schedule == "CC..C..CC"
    assert pipeline.generate(PROMPT, taylorseer_config=None).report.predicted_steps == 0
    config.taylorseer_config.cache_interval = 2  # of the caller's copy
    assert pipeline.get_generation_config().taylorseer_config == QUICK_CACHE
    with pytest.raises(ValueError, match="height must be a multiple of 16, got 100; 96"):
        config.height = 100


def test_unknown_words_are_named(pipeline):
    with pytest.warns(PromptWarning, match="does not know 'purple', 'elephant'"):
        pipeline.generate("a purple elephant on a red background", num_inference_steps=1)


def test_a_long_prompt_is_cut_with_a_warning_and_keeps_its_end_token(pipeline):
    long = PROMPT + " and a red circle" * 40
    with pytest.warns(PromptWarning, match="has .* tokens and is cut to max_sequence_length=32"):
        pipeline.generate(long, num_inference_steps=1)
    for tokenizer, length in zip(pipeline._backends.tokenizers, (77, 32), strict=True):
        row = tokenizer.row(long, length)
        assert row.shape == (1, length)
        assert row[0, -1] == tokenizer.encode("a")[-1]


@pytest.mark.parametrize("word", ["red ", "a", "red"])
def test_a_prompt_of_megabytes_is_cut_before_it_is_tokenized(pipeline, word):
    """However long it is, the tokenizer sees thousands of characters, and what is read is said."""
    prompt = word * (10**7 // len(word))
    tokenizer = pipeline._backends.tokenizers[1]
    expected = tokenizer.row(prompt[:50_000], 32)
    assert np.array_equal(tokenizer.row(prompt, 32), expected)
    with pytest.warns(PromptWarning) as warned:
        pipeline.prepare(prompt)
    message = str(warned[0].message)
    assert f"the prompt has {len(prompt)} characters, over 50000, and is cut" in message
    assert all(len(str(warning.message)) < 500 for warning in warned)


def test_unknown_words_are_told_up_to_ten_each_once(pipeline, monkeypatch):
    """The tokenizer is asked about no more words than are read: 15 s went by for 10,000."""
    tokenizer, asked = pipeline._backends.tokenizers[1], []
    encode = type(tokenizer).encode

    def counted(self, prompt):
        asked.append(prompt)
        return encode(self, prompt)

    monkeypatch.setattr(type(tokenizer), "encode", counted)
    prompt = "purple purple " + " ".join(f"wörd{i} red" for i in range(10_000))
    words = tokenizer.unknown_words(prompt, 512)
    assert words == ["purple", *(f"wörd{i}" for i in range(9))]
    assert tokenizer.unknown_words("red " * 40 + "purple", 512) == ["purple"]
    assert len(asked) < 30
    with pytest.warns(PromptWarning) as warned:
        pipeline.prepare(prompt)
    (unknown,) = [
        str(warning.message) for warning in warned if "does not know" in str(warning.message)
    ]
    assert "'wörd8', and maybe others" in unknown


def test_the_empty_prompt_draws_something(pipeline):
    assert pipeline.generate("", num_inference_steps=1).data.std() > 0


def test_inactive_caching_warns(pipeline):
    with pytest.warns(InactiveCacheWarning, match="all 4 steps run the transformer"):
        pipeline.generate(PROMPT, taylorseer_config=TaylorSeerCacheConfig(), **SHORT)


def test_low_memory_holds_one_model_at_a_time_and_draws_the_same_picture(pipeline):
    frugal = Text2ImagePipeline(demo_model_path(), low_memory=True, **F32)
    drawn = frugal.generate(PROMPT, **SHORT)
    assert drawn.report.backend_reason == "openvino_genai holds all models in memory at once"
    assert drawn.report.load_s > 0
    assert list(frugal._backends.load_python().models.parts) == ["vae_decoder"]
    # compiled for one size, the transformer rounds differently
    plain = pipeline.generate(PROMPT, **SHORT).data
    assert np.abs(drawn.data.astype(int) - plain).max() <= 1
    other = frugal.generate(PROMPT, height=96, width=160, **SHORT).data
    assert other.shape == (1, 96, 160, 3)
    with pytest.raises(RuntimeError, match="holds all models in memory at once"):
        Text2ImagePipeline(demo_model_path(), backend="native", low_memory=True)
