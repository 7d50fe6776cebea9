"""When models load, where they run, and the ways of saying so."""

import sys

import openvino as ov
import pytest

from taylorseer_ov import (
    Image2ImagePipeline,
    InpaintingPipeline,
    ModelFolderError,
    Text2ImagePipeline,
    demo_model_path,
)
from taylorseer_ov.flux.hub import HubError
from taylorseer_ov.generation import Devices
from tests.common import F32, PROMPT
from tests.pipelines.common import SHORT

PIPELINES = (Text2ImagePipeline, Image2ImagePipeline, InpaintingPipeline)


def python_pipeline(device=None, **options):
    return Text2ImagePipeline(demo_model_path(), device, backend="python", **F32, **options)


def test_given_a_device_the_constructor_compiles_and_generate_does_not(monkeypatch):
    pipeline = python_pipeline("CPU")
    assert pipeline.backends.loaded == "python"
    monkeypatch.setattr(ov.Core, "compile_model", None)  # any more would fail
    assert pipeline.generate(PROMPT, **SHORT).report.load_s > 0


def test_the_first_run_of_every_model_is_made_while_loading(monkeypatch):
    """It is slower than the next: a script that times `generate` would count it."""
    runs = []
    infer = ov.InferRequest.infer
    monkeypatch.setattr(ov.InferRequest, "infer", lambda *a, **k: runs.append(1) or infer(*a, **k))
    demo = demo_model_path()
    Text2ImagePipeline(demo, backend="python", **F32)
    Text2ImagePipeline(demo, "CPU", backend="python", vae_tiling=True, **F32)
    assert runs == []
    Text2ImagePipeline(demo, "CPU", backend="python", **F32)
    assert len(runs) == 2 + 2 + 1 + 1  # tokenizers, text encoders, transformer, VAE decoder
    runs.clear()
    Image2ImagePipeline(demo, "CPU", backend="python", **F32)
    assert len(runs) == 2 + 2 + 1 + 1 + 1  # and the VAE encoder


@pytest.mark.native
def test_given_a_device_the_constructor_loads_native_where_it_can_be_used():
    assert Text2ImagePipeline(demo_model_path(), "CPU", **F32).backends.loaded == "native"


@pytest.mark.parametrize(
    ("device", "options"), [(None, {}), ("CPU", {"lazy": True}), ("CPU", {"low_memory": True})]
)
def test_what_waits_loads_nothing_before_it_is_needed(device, options):
    pipeline = python_pipeline(device, **options)
    assert pipeline.backends.loaded is None
    pipeline.generate(PROMPT, **SHORT)
    assert pipeline.backends.loaded == "python"


def test_an_npu_waits_for_its_shapes(monkeypatch):
    monkeypatch.setattr("taylorseer_ov.pipelines.loading.check_device", lambda device: None)
    assert python_pipeline("NPU").backends.loaded is None


def test_lazy_is_true_or_false():
    with pytest.raises(TypeError, match="lazy must be True or False, got 'CPU'"):
        Text2ImagePipeline(demo_model_path(), "CPU", lazy="CPU")


@pytest.mark.parametrize(
    ("device", "read"),
    [
        ("cpu", ("CPU", "CPU", "CPU")),
        (" auto:cpu ", ("AUTO:CPU", "AUTO:CPU", "AUTO:CPU")),
        (("cpu", "auto:cpu", "CPU"), ("CPU", "AUTO:CPU", "CPU")),
        (["cpu", "CPU", "Cpu"], ("CPU", "CPU", "CPU")),
        ({"denoise": "auto:cpu"}, ("CPU", "AUTO:CPU", "CPU")),
        (
            {"vae_device": "auto:CPU", "text_encode_device": "cpu", "denoise_device": "cpu"},
            ("CPU", "CPU", "AUTO:CPU"),
        ),
    ],
)
def test_devices_can_be_said_in_these_ways(device, read):
    assert python_pipeline(device, lazy=True).backends.setup.devices == read
    compiled = python_pipeline()
    compiled.compile(device)
    assert compiled.backends.setup.devices == read
    assert compiled.generate(PROMPT, **SHORT).report.devices == read


@pytest.mark.parametrize(
    ("device", "error", "sentence"),
    [
        (("CPU", "CPU"), TypeError, r"or three for text_encode, denoise, vae, .*'CPU'\)"),
        (
            ["GPU"],
            TypeError,
            r"such as \('CPU', 'GPU', 'GPU'\) or .*{'denoise': 'GPU'}; got \['GPU",
        ),
        ("GPU,CPU", ValueError, "'GPU,CPU' is not one device; AUTO:GPU,CPU leaves the choice"),
        ("gpu;cpu", ValueError, "'GPU;CPU' is not one device; AUTO:GPU,CPU leaves the choice"),
        ("text:GPU", ValueError, "AUTO, HETERO and BATCH are followed by a colon"),
        (7, TypeError, "device must be one device such as 'GPU', or three for .*got 7"),
        (("CPU", None, "CPU"), TypeError, "device for denoise must be a text such as 'CPU'"),
        ("", ValueError, "device for text_encode is an empty text"),
        ({"denoiser": "CPU"}, ValueError, "no part .* called 'denoiser'; did you mean 'denoise'"),
        ({"vae": "TPU"}, ValueError, "unknown device 'TPU'; available here: .*CPU"),
    ],
)
def test_devices_that_cannot_be_are_named(device, error, sentence):
    with pytest.raises(error, match=sentence):
        python_pipeline(device)
    with pytest.raises(error, match=sentence):
        python_pipeline().compile(device)


@pytest.mark.parametrize(
    ("listed", "named", "read"),
    [
        ((), {"device": "cpu"}, ("CPU", "CPU", "CPU")),
        (("CPU", "AUTO:CPU", "CPU"), {}, ("CPU", "AUTO:CPU", "CPU")),
        (
            (),
            {"text_encode_device": "CPU", "denoise_device": "AUTO:CPU", "vae_device": "CPU"},
            ("CPU", "AUTO:CPU", "CPU"),
        ),
        (("CPU",), {"denoise_device": "AUTO:CPU", "vae_device": "CPU"}, ("CPU", "AUTO:CPU", "CPU")),
        ((), {}, ("AUTO:CPU", "CPU", "CPU")),
    ],
)
def test_compile_takes_devices_as_native_does(listed, named, read):
    pipeline = python_pipeline(("AUTO:CPU", "CPU", "CPU"), lazy=True)
    pipeline.compile(*listed, **named)
    assert pipeline.backends.setup.devices == read
    assert pipeline.backends.loaded == "python"


@pytest.mark.parametrize(
    ("listed", "named"),
    [
        (("CPU", "CPU"), {}),
        (("CPU",), {"device": "CPU"}),
        ((), {"text_encode_device": "CPU"}),
        ((), {"device": "CPU", "vae_device": "CPU"}),
        (("CPU", "CPU", "CPU"), {"vae_device": "CPU"}),
        (("CPU",), {"text_encode_device": "CPU", "denoise_device": "CPU", "vae_device": "CPU"}),
    ],
)
def test_compile_refuses_other_numbers_of_devices(listed, named):
    with pytest.raises(TypeError, match="compile takes one device, or three"):
        python_pipeline().compile(*listed, **named)


@pytest.mark.parametrize("backend", ["python", pytest.param("native", marks=pytest.mark.native)])
def test_properties_as_a_dictionary_reach_openvino(backend):
    with pytest.raises(ValueError, match="NO_SUCH_PROPERTY"):
        Text2ImagePipeline(
            demo_model_path(), "CPU", backend=backend, config={"NO_SUCH_PROPERTY": 1}
        )
    waiting = Text2ImagePipeline(demo_model_path(), backend=backend)
    with pytest.raises(ValueError, match="NO_SUCH_PROPERTY"):
        waiting.compile("CPU", config={"NO_SUCH_PROPERTY": 1})


@pytest.mark.parametrize("backend", ["python", pytest.param("native", marks=pytest.mark.native)])
def test_after_a_compile_that_failed_it_runs_as_before(backend):
    pipeline = Text2ImagePipeline(demo_model_path(), "CPU", backend=backend, **F32)
    other = Image2ImagePipeline(pipeline)
    before = pipeline.backends.setup
    for wrong in ({"NO_SUCH_PROPERTY": 1}, {"devicee": "CPU"}):
        with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
            pipeline.compile("CPU", **wrong)
        assert pipeline.backends.setup == before
        assert pipeline.generate(PROMPT, **SHORT).report.backend == backend
    other.compile()  # and shares its models with those that it shared them with
    assert other.backends.load_python() is pipeline.backends.load_python()


def test_keywords_go_before_a_dictionary_of_properties():
    pipeline = Text2ImagePipeline(
        demo_model_path(), config={"PERF_COUNT": True, "NUM_STREAMS": 1}, NUM_STREAMS=2
    )
    properties = pipeline.backends.setup.properties
    assert (properties["PERF_COUNT"], properties["NUM_STREAMS"]) == (True, 2)
    with pytest.raises(TypeError, match="config must be a dictionary of OpenVINO properties"):
        pipeline.compile("CPU", config="CACHE_DIR")


def test_models_go_by_the_names_that_the_command_line_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()  # which the README's command does not mean
    assert Text2ImagePipeline("demo").folder.path == demo_model_path()
    with pytest.raises(ModelFolderError, match=r"model_index\.json"):
        Text2ImagePipeline("./demo")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HubError, match=r"no folder 'owner/model' here.*pip install"):
        Image2ImagePipeline("owner/model")


def test_devices_are_checked_before_a_model_is_downloaded(monkeypatch):
    monkeypatch.setattr("taylorseer_ov.flux.hub.download_exported", None)
    with pytest.raises(ValueError, match="unknown device 'TPU'"):
        Text2ImagePipeline("owner/model", "TPU")


@pytest.mark.parametrize("kind", PIPELINES)
def test_flux_is_not_exported_as_blobs(kind, tmp_path):
    sentence = "Blob export is supported only for Stable Diffusion XL pipelines.*CACHE_DIR"
    with pytest.raises(RuntimeError, match=sentence):
        kind(demo_model_path()).export_model(tmp_path / "blobs")
    assert not (tmp_path / "blobs").exists()


def test_the_names_of_devices_in_a_dictionary_are_those_of_the_tuple():
    assert Devices._fields == ("text_encode", "denoise", "vae")
