"""Many pictures, drawn beside each other: each is what it is alone, and nothing is left behind."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from taylorseer_ov import (
    ErrorControl,
    Image2ImagePipeline,
    InactiveCacheWarning,
    InpaintingPipeline,
    Text2ImagePipeline,
    demo_model_path,
)
from taylorseer_ov.caching.policy import NotFiniteError
from taylorseer_ov.flux.vae import VaeDecoder
from tests.common import F32, PROMPT
from tests.pipelines.common import QUICK_CACHE, SHORT, given

NATIVE = pytest.param("auto", marks=pytest.mark.native)
OTHER = "a small green square on a white background"
REQUESTS = [
    PROMPT,
    {"prompt": OTHER, "rng_seed": 1, "cache": QUICK_CACHE, "num_inference_steps": 9},
    {"prompt": PROMPT, "rng_seed": 2, "width": 64},
    {"prompt": OTHER, "rng_seed": 3, "max_sequence_length": 16},
    {"prompt": PROMPT, "rng_seed": 4, "num_images_per_prompt": 2, "height": 96},
]


@pytest.fixture(scope="module")
def two_streams():
    return Text2ImagePipeline(demo_model_path(), backend="python", streams=2, **F32)


def one_by_one(pipeline, requests, **settings):
    dictionaries = [{"prompt": r} if isinstance(r, str) else r for r in requests]
    return [pipeline.generate(**settings | asked) for asked in dictionaries]


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("taylorseer_ov")]


# --- what comes out ---


@pytest.mark.parametrize(
    ("backend", "streams"), [("python", 1), ("python", 2), (NATIVE.values[0], 1)]
)
def test_each_is_what_it_is_alone_to_the_last_bit(backend, streams):
    pipeline = Text2ImagePipeline(demo_model_path(), backend=backend, streams=streams, **F32)
    alone = one_by_one(pipeline, REQUESTS, **SHORT)
    together = list(pipeline.generate_many(REQUESTS, **SHORT))
    assert len(together) == len(alone)
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.data, other.data)
        assert one.recipe.prompt == other.recipe.prompt
        assert one.recipe.asked == other.recipe.asked
    assert not threads()


def test_latents_do_not_depend_on_what_is_drawn_beside_nor_on_the_stream(two_streams, pipeline):
    """Nor on how many streams there are, here: the transformer rounds alike with any threads."""
    latents = {}

    def request(seed):
        def callback(step, num_steps, tensor):
            latents.setdefault(seed, []).append(np.array(tensor.data))

        return {"prompt": PROMPT, "rng_seed": seed, "callback": callback}

    drawn = []
    list(two_streams.generate_many(map(request, range(6)), **SHORT))
    drawn.append(latents.copy())
    for alone in (two_streams, pipeline):
        latents.clear()
        for seed in range(6):
            alone.generate(**request(seed), **SHORT)
        drawn.append(latents.copy())
    for others in drawn[1:]:
        assert {seed: len(steps) for seed, steps in others.items()} == dict.fromkeys(range(6), 4)
        for seed, steps in others.items():
            assert np.array_equal(steps, drawn[0][seed])


def test_pictures_to_start_from(two_streams):
    for kind in (Image2ImagePipeline, InpaintingPipeline):
        other = kind(two_streams)
        names = ("image", "mask_image")[: len(given(kind))]
        pictures = dict(zip(names, given(kind), strict=True))
        requests = [{"prompt": PROMPT, "rng_seed": seed} | pictures for seed in range(3)]
        together = list(other.generate_many(requests, **SHORT))
        for result, alone in zip(together, one_by_one(other, requests, **SHORT), strict=True):
            assert np.array_equal(result.data, alone.data)
        with pytest.raises(TypeError, match=r"a request must have prompt and image.*is missing"):
            next(other.generate_many([PROMPT]))


@pytest.mark.native
def test_the_report_and_the_recipe_tell_what_drew():
    pipeline = Text2ImagePipeline(demo_model_path(), **F32)
    (result,) = pipeline.generate_many([PROMPT], cache=None, **SHORT)
    assert result.report.backend == result.recipe.environment.backend == "python"
    assert result.report.backend_reason == "pictures are decoded while others are drawn"
    alone = pipeline.generate(PROMPT, cache=None, **SHORT)
    assert alone.report.backend == "native"
    assert np.array_equal(alone.data, result.data)


def test_streams_are_a_reason_for_our_backend_and_in_the_recipe(two_streams):
    pipeline = Text2ImagePipeline(demo_model_path(), streams=2, **F32)
    result = pipeline.generate(PROMPT, **SHORT)
    assert result.report.backend == "python"
    assert result.recipe.environment.properties["streams of the transformer"] == "2"
    (difference,) = result.recipe.differences(Text2ImagePipeline(demo_model_path(), **F32))[-1:]
    assert "streams of the transformer" in difference
    assert result.recipe.differences(two_streams) == []


@pytest.mark.parametrize(
    "made", [{"low_memory": True}, pytest.param({"backend": "native"}, marks=pytest.mark.native)]
)
def test_pipelines_that_draw_one_by_one_do_so_when_asked(made):
    pipeline = Text2ImagePipeline(demo_model_path(), **made, **F32)
    taken = []

    def requests():
        for seed in range(3):
            taken.append(seed)
            yield {"prompt": PROMPT, "rng_seed": seed}

    results = pipeline.generate_many(requests(), cache=None, **SHORT)
    assert taken == []
    next(results)
    assert taken == [0]
    assert not threads()
    second = next(results)
    results.close()
    expected = pipeline.generate(PROMPT, rng_seed=1, cache=None, **SHORT)
    assert np.array_equal(expected.data, second.data)


# --- what is done at once ---


def test_as_many_denoise_at_once_as_there_are_streams(two_streams):
    meeting = threading.Barrier(2, timeout=30)

    def callback(step, num_steps, latents):
        meeting.wait()  # breaks, with an error, if the other one does not come

    requests = [{"prompt": PROMPT, "rng_seed": seed, "callback": callback} for seed in range(4)]
    assert len(list(two_streams.generate_many(requests, **SHORT))) == 4


def test_with_one_stream_one_is_decoded_while_the_next_is_denoised(pipeline, monkeypatch):
    decode = VaeDecoder.__call__
    begun = threading.Event()

    def decode_late(decoder, latents):
        assert begun.wait(30)
        return decode(decoder, latents)

    monkeypatch.setattr(VaeDecoder, "__call__", decode_late)
    second = {"prompt": PROMPT, "callback": lambda *_: begun.set()}
    assert len(list(pipeline.generate_many([PROMPT, second], **SHORT))) == 2


def test_models_are_compiled_once_for_all_streams(loads):
    counted = []
    for streams in (1, 2):
        loads.clear()
        pipeline = Text2ImagePipeline(demo_model_path(), backend="python", streams=streams, **F32)
        pipeline.compile("CPU")
        list(pipeline.generate_many([PROMPT] * 3, **SHORT))
        counted.append(loads["ours"])
    assert counted[0] == counted[1]


def test_only_a_few_are_taken_ahead(two_streams):
    taken = []

    def requests():
        for seed in range(100):
            taken.append(seed)
            yield {"prompt": PROMPT, "rng_seed": seed}

    results = two_streams.generate_many(requests(), num_inference_steps=1, cache=None)
    assert taken == []
    for number in range(1, 4):
        next(results)
        assert len(taken) <= number + 4
    results.close()
    assert len(taken) <= 7


def test_latents_can_be_decoded_in_a_callback_of_any_of_them(two_streams):
    seen = []

    def callback(step, num_steps, latents):
        seen.append(two_streams.decode(latents).data.shape[1:3])

    sizes = [(64, 96), (96, 64), (48, 128), (128, 48)]  # of equally many tokens, two by two
    requests = [
        {"prompt": PROMPT, "height": height, "width": width, "callback": callback}
        for height, width in sizes
    ]
    list(two_streams.generate_many(requests, num_inference_steps=1, cache=None))
    assert sorted(seen) == sorted(sizes)
    # and between results, for the last one that came
    results = two_streams.generate_many(requests[:2], num_inference_steps=1, cache=None)
    next(results)
    assert two_streams.decode(np.zeros((1, 24, 64), np.float32)).data.shape[1:3] == sizes[0]
    results.close()


# --- ends ---


def test_an_error_comes_in_the_place_of_its_picture(two_streams):
    drawn = []
    requests = [
        {"prompt": PROMPT, "rng_seed": 0, "callback": lambda *_: drawn.append(0)},
        {"prompt": PROMPT, "rng_seed": -1},
        {"prompt": PROMPT, "rng_seed": 2, "callback": lambda *_: drawn.append(2)},
    ]
    results = two_streams.generate_many(requests, **SHORT)
    assert next(results).report.seed == 0
    with pytest.raises(ValueError, match="rng_seed must be a whole number"):
        next(results)
    assert next(results, None) is None
    assert set(drawn) == {0}
    assert not threads()


def test_so_does_one_of_drawing_and_one_of_the_iterable(two_streams):
    def requests():
        yield PROMPT
        raise LookupError("no more prompts")

    failing = {"prompt": PROMPT, "guidance_scale": 1e38}
    for asked, error in (([PROMPT, failing, PROMPT], NotFiniteError), (requests(), LookupError)):
        results = two_streams.generate_many(asked, **SHORT)
        next(results)
        with pytest.raises(error):
            next(results)
        assert not threads()
    assert two_streams.generate(PROMPT, **SHORT).data.any()


@pytest.mark.parametrize("leave", ["close", "collect"])
def test_what_is_left_ends_after_its_step(two_streams, leave):
    steps = []
    requests = [
        {"prompt": PROMPT, "rng_seed": seed, "callback": lambda *_: steps.append(1)}
        for seed in range(20)
    ]
    results = two_streams.generate_many(requests, num_inference_steps=1, cache=None)
    next(results)
    with pytest.raises(RuntimeError, match="already generating; the results of generate_many are"):
        two_streams.generate(PROMPT, **SHORT)
    if leave == "close":
        results.close()
    del results
    assert not threads()
    assert len(steps) <= 6
    assert two_streams.generate(PROMPT, **SHORT).data.any()


def test_left_long_pictures_are_not_drawn_to_their_end(two_streams):
    steps = []
    requests = [{"prompt": PROMPT}] + [
        {
            "prompt": PROMPT,
            "num_inference_steps": 1000,
            "cache": None,
            "callback": lambda *_: steps.append(1),
        }
    ] * 3
    results = two_streams.generate_many(requests, **SHORT)
    next(results)
    results.close()
    assert len(steps) < 900
    assert not threads()


def test_stop_ends_those_under_way_and_begins_no_other(two_streams):
    stopped = threading.Event()
    requests = [
        {"prompt": PROMPT, "rng_seed": seed, "callback": lambda *_: stopped.set()}
        for seed in range(20)
    ]
    results = list(two_streams.generate_many(requests, stop=stopped.is_set, **SHORT))
    assert 1 <= len(results) <= 3
    assert all(result.report.interrupted for result in results)


def test_stop_ends_a_picture_that_has_a_stop_of_its_own(pipeline):
    asked = []
    request = {"prompt": PROMPT, "stop": lambda: asked.append(1)}
    (result,) = pipeline.generate_many([request], stop=lambda: bool(asked), **SHORT)
    assert result.report.interrupted
    assert len(result.report.step_s) == 2  # `stop` is asked first


def test_warnings_of_other_threads_point_at_who_asks(two_streams):
    with pytest.warns(InactiveCacheWarning, match="all 5 steps ran the transformer") as caught:
        for _ in two_streams.generate_many(
            [PROMPT] * 2, cache=ErrorControl(0.1), num_inference_steps=5
        ):
            pass
    assert [warning.filename for warning in caught] == [__file__] * 2


LEFT_AT_THE_END = """
from taylorseer_ov import Text2ImagePipeline
prompt = "a large red circle on a blue background"
pipeline = Text2ImagePipeline("demo", backend="python", streams=2)
results = pipeline.generate_many([prompt] * 10, num_inference_steps=1000, cache=None)
first = pipeline.generate_many([prompt] * 10, num_inference_steps=1)
next(first)
print("leaving", flush=True)
"""


def test_a_program_that_ends_with_results_left_ends():
    ended = subprocess.run(
        [sys.executable, "-c", LEFT_AT_THE_END], capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "leaving\n", "")


# --- misuse ---


def test_misuse_is_refused_at_the_call(two_streams):
    for requests in (PROMPT, {"prompt": PROMPT}, 3, None):
        with pytest.raises(TypeError, match="takes several prompts or dictionaries"):
            two_streams.generate_many(requests)
    for name in ("callback", "progress", "recorder"):
        with pytest.raises(TypeError, match=f"{name} does not tell which of the pictures"):
            two_streams.generate_many([PROMPT], **{name: print})
    with pytest.raises(TypeError, match="stop must be callable"):
        two_streams.generate_many([PROMPT], stop=True)
    with pytest.raises(TypeError, match="unknown setting 'step'"):
        two_streams.generate_many([PROMPT], step=3)
    generator = np.random.default_rng(0)
    generator = type("Noise", (), {"randn_tensor": lambda self, shape: generator.normal(shape)})()
    with pytest.raises(ValueError, match="takes seeds, not a generator"):
        two_streams.generate_many([PROMPT], generator=generator)
    with pytest.raises(ValueError, match="takes seeds, not a generator"):
        next(two_streams.generate_many([{"prompt": PROMPT, "generator": generator}]))
    with pytest.raises(TypeError, match="a request must be a prompt or a dictionary, got 3"):
        next(two_streams.generate_many([3]))
    with pytest.raises(TypeError, match="a request must have prompt; 'prompt' is missing"):
        next(two_streams.generate_many([{"rng_seed": 3}]))


@pytest.mark.parametrize(
    ("made", "error", "sentence"),
    [
        ({"streams": 0}, ValueError, r"streams.* must be a whole number from 1 to 64, got 0"),
        ({"streams": True}, TypeError, "must be a whole number from 1 to 64, got True"),
        ({"streams": 10**6}, ValueError, "from 1 to 64, got 1000000"),
        ({"streams": "2"}, TypeError, "from 1 to 64, got '2'"),
        ({"streams": 2, "low_memory": True}, ValueError, "low_memory lets go of each model"),
        ({"streams": 2, "NUM_STREAMS": 2}, ValueError, "so does NUM_STREAMS=2; leave out one"),
        ({"streams": 2, "PERFORMANCE_HINT": "LATENCY"}, ValueError, "so does PERFORMANCE_HINT"),
        (
            {"streams": 2, "device": "AUTO"},
            ValueError,
            "on CPU or GPU, named as such, and not on AU",
        ),
        ({"streams": 2, "backend": "native"}, RuntimeError, "draws one picture after another"),
    ],
)
def test_streams_that_cannot_be_are_refused_before_models_load(loads, made, error, sentence):
    with pytest.raises(error, match=sentence):
        Text2ImagePipeline(demo_model_path(), **made)
    assert sum(loads.values()) <= 1  # the model of one operation that properties are tried with


def test_devices_and_properties_that_come_later_are_refused_too(two_streams):
    with pytest.raises(ValueError, match="on CPU or GPU, named as such"):
        two_streams.compile("AUTO")
    with pytest.raises(ValueError, match="so does NUM_STREAMS=3"):
        two_streams.compile("CPU", NUM_STREAMS=3)
    assert two_streams.generate(PROMPT, **SHORT).data.any()


def test_text_encoders_keep_all_threads(two_streams):
    """One thread would end the process in bfloat16; and prompts are encoded as with one stream."""
    setup = two_streams.backends.setup
    assert "NUM_STREAMS" not in setup.encoder_properties
    assert setup.denoise_properties["NUM_STREAMS"] == 2
