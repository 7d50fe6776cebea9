"""Pipelines made from one another: the models are in memory once."""

import gc
import json
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from taylorseer_ov import (
    Image2ImagePipeline,
    InpaintingPipeline,
    ModelFolderError,
    Text2ImagePipeline,
    demo_model_path,
)
from tests.common import F32, PROMPT
from tests.pipelines.common import NATIVE_PARTS, PIPELINES, SHORT, given

BACKENDS = ["python", pytest.param("auto", marks=pytest.mark.native)]
PLAIN = {"cache": None} | SHORT


@pytest.fixture(scope="module")
def expected():
    """What a pipeline of its own draws."""
    drawn = {}
    for kind in PIPELINES:
        with kind(demo_model_path(), backend="python", **F32) as own:
            drawn[kind] = own.generate(PROMPT, *given(kind), **PLAIN).data
    return drawn


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("first", PIPELINES)
def test_any_pipeline_from_any_other_loads_what_is_missing(loads, expected, backend, first):
    pipeline = first(demo_model_path(), backend=backend, **F32)
    pipeline.compile("CPU")
    before = loads.copy()
    for kind in PIPELINES:
        other = kind(pipeline)
        for hooks in ({}, {"callback": lambda *_: None}):
            drawn = other.generate(PROMPT, *given(kind), **PLAIN, **hooks)
            assert np.array_equal(drawn.data, expected[kind])
            assert other.backends.loaded == pipeline.backends.loaded
    loads.subtract(before)
    missing = 1 if first is Text2ImagePipeline else 0  # the VAE's encoder
    if backend == "python":
        assert +loads == ({"ours": 1} if missing else {})
    else:  # openvino_genai has both halves of the VAE in one
        assert loads["AutoencoderKL"] == missing
        assert sum(loads[name] for name in NATIVE_PARTS) == missing
        assert loads["ours"] == 0


def test_what_comes_along_and_what_does_not():
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python", vae_tiling=True, **F32)
    pipeline.reshape(1, 64, 96, 3.5)
    other = Image2ImagePipeline(pipeline)
    assert other.backends.setup.static == pipeline.backends.setup.static
    assert other.backends.setup.properties == pipeline.backends.setup.properties
    assert other.backends.setup.memory == pipeline.backends.setup.memory
    # the settings are those of the task
    config = other.get_generation_config()
    assert (config.strength, config.guidance_scale, config.height) == (0.6, 3.5, None)
    drawn = other.generate(PROMPT, *given(Image2ImagePipeline), height=64, width=96, **PLAIN)
    assert drawn.data.shape == (1, 64, 96, 3)
    assert Text2ImagePipeline(other).get_generation_config().strength == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_block_that_ends_leaves_the_other_its_models(loads, backend):
    pipeline = Text2ImagePipeline(demo_model_path(), backend=backend, **F32)
    other = Image2ImagePipeline(pipeline)
    pictures = given(Image2ImagePipeline)
    with other:
        with pipeline:
            first = pipeline.generate(PROMPT, **PLAIN)
            drawn = other.generate(PROMPT, *pictures, **PLAIN)
            models = weakref.ref(pipeline.backends.load_python().models)
        before = loads.copy()
        assert pipeline.backends.loaded is None
        assert np.array_equal(other.generate(PROMPT, *pictures, **PLAIN).data, drawn.data)
        # and used again, it finds what the other has
        assert np.array_equal(pipeline.generate(PROMPT, **PLAIN).data, first.data)
        assert loads == before
        pipeline.backends.unload()
    gc.collect()
    assert models() is None
    assert other.backends.loaded is None


def test_models_of_a_pipeline_that_is_gone_are_let_go_of():
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python")
    other = Image2ImagePipeline(pipeline)
    with other:
        other.compile("CPU")
        models = weakref.ref(pipeline.backends.load_python().models)
        del pipeline
    gc.collect()
    assert models() is None


def test_compile_and_reshape_of_one_do_not_touch_the_other(loads, expected):
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python", **F32)
    other = InpaintingPipeline(pipeline)
    pipeline.compile("CPU")
    other.compile("CPU")  # as it is: the same models, with the VAE's encoder
    before = loads["ours"]
    other.reshape(1, 64, 64, 3.5)
    fixed = other.generate(PROMPT, *given(InpaintingPipeline), height=64, width=64, **PLAIN)
    assert fixed.data.shape == (1, 64, 64, 3)
    assert loads["ours"] == before + 5
    assert np.array_equal(pipeline.generate(PROMPT, **PLAIN).data, expected[Text2ImagePipeline])
    assert loads["ours"] == before + 5
    pipeline.compile("CPU", NUM_STREAMS="1", **F32)
    assert "NUM_STREAMS" not in other.backends.setup.properties


def test_one_generates_at_a_time():
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python")
    other = Image2ImagePipeline(pipeline)
    refused = []

    def generate_too():
        try:
            other.generate(PROMPT, *given(Image2ImagePipeline), **PLAIN)
        except RuntimeError as error:
            refused.append(str(error))

    def callback(step, steps, latents):
        if step == 0:
            thread = threading.Thread(target=generate_too)
            thread.start()
            thread.join()

    pipeline.generate(PROMPT, callback=callback, **PLAIN)
    assert refused == ["this pipeline is already generating; use one pipeline per thread"]
    assert other.generate(PROMPT, *given(Image2ImagePipeline), **PLAIN).data.any()


def test_misuse(model_copy):
    pipeline = Text2ImagePipeline(demo_model_path())
    for chosen in ({"device": "CPU"}, {"low_memory": True}, {"CACHE_DIR": "compiled"}):
        with pytest.raises(TypeError, match="made from another one shares its models"):
            Image2ImagePipeline(pipeline, **chosen)
    for path, change in (
        ("model_index.json", {"_class_name": "FluxFillPipeline"}),
        ("transformer/config.json", {"in_channels": 384}),
    ):
        file = model_copy / path
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    fill = InpaintingPipeline(model_copy)
    assert InpaintingPipeline(fill).folder.is_fill
    for kind in (Text2ImagePipeline, Image2ImagePipeline):
        with pytest.raises(ModelFolderError, match="does inpainting only; use InpaintingPipeline"):
            kind(fill)


@pytest.mark.native
def test_adapters_are_shared_too(loads, expected):
    import openvino_genai

    pipeline = Text2ImagePipeline(demo_model_path(), adapters=openvino_genai.AdapterConfig(), **F32)
    shared = [kind(pipeline) for kind in reversed(PIPELINES)]
    for other in (*shared, pipeline):
        kind = type(other)
        drawn = other.generate(PROMPT, *given(kind), **PLAIN)
        assert drawn.report.backend == "native"
        assert np.array_equal(drawn.data, expected[kind])
    assert [loads[name] for name in NATIVE_PARTS] == [1, 1, 1, 1]


MEASURE = """
import gc, sys
from pathlib import Path
import numpy as np
from taylorseer_ov import Image2ImagePipeline, Text2ImagePipeline, demo_model_path

def private_kib():
    gc.collect()
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0])

def draw(pipeline, *pictures):
    size = {} if pictures else {"height": 64, "width": 64}
    pipeline.generate("a red circle", *pictures, num_inference_steps=2, cache=None, **size)
    return private_kib()

picture = np.zeros((64, 64, 3), np.uint8)
first = Text2ImagePipeline(demo_model_path(), backend=sys.argv[1])
alone = draw(first)
shared = draw(Image2ImagePipeline(first), picture)
own = draw(Image2ImagePipeline(demo_model_path(), backend=sys.argv[1]), picture)
print(shared - alone, own - shared)
"""


@pytest.mark.posix
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_memory_is_shared(backend):
    """A second pipeline takes a fraction of what one of its own takes: the VAE's encoder."""
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, backend], capture_output=True, text=True, check=True
    )
    shared_kib, own_kib = map(int, measured.stdout.split())
    assert own_kib > 30 * 1024
    assert shared_kib < own_kib / 2
