"""Keywords and OpenVINO properties that nothing takes are refused before a model is read."""

import openvino as ov
import pytest

from taylorseer_ov import (
    CLIPTextModel,
    Image2ImagePipeline,
    InpaintingPipeline,
    Text2ImagePipeline,
    demo_model_path,
)

KINDS = [Text2ImagePipeline, Image2ImagePipeline, InpaintingPipeline]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"low_memroy": True}, "unknown argument 'low_memroy'; did you mean 'low_memory'?"),
        ({"cache_dir": "compiled"}, "unknown argument 'cache_dir'; did you mean 'CACHE_DIR'?"),
        ({"nonsense": 1}, "unknown argument 'nonsense'. OpenVINO's properties"),
        ({"config": {"low_memory": True}}, "low_memory is an argument of its own"),
    ],
)
def test_a_misspelt_argument_is_told_the_nearest(kind, wrong, message):
    with pytest.raises(TypeError, match=message.replace("?", r"\?")):
        kind("nowhere", lazy=True, **wrong)  # not even the folder was looked for
    with pytest.raises(TypeError, match="'denoise_devices'; did you mean 'denoise_device'"):
        kind("demo", lazy=True).compile("CPU", denoise_devices="CPU")


@pytest.mark.parametrize("device", [None, "CPU"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("INFERENCE_PRECISON_HINT", "f32", "'f32'; did you mean 'INFERENCE_PRECISION_HINT'"),
        ("CACHE_DIRR", "compiled", "did you mean 'CACHE_DIR'"),
        pytest.param(
            *("INFERENCE_PRECISION_HINT", "f33", "'f33': .*Supported values: bf16, f16, f32"),
            marks=pytest.mark.native,  # OpenVINO of 2025 takes any
        ),
        ("DEVICE_PROPERTIES", {"CPU": {"NUM_STREAM": 1}}, "Unsupported property NUM_STREAM by"),
        ("INFERENCE_NUM_THREADS", [1, "two"], "Mixed types in the container"),
    ],
)
def test_a_property_that_openvino_refuses_is_refused_at_once(device, name, value, message):
    """Lazy: what OpenVINO itself says comes when models are loaded, long after the typo."""
    with pytest.raises(ValueError, match=f"OpenVINO's CPU does not take .*{name}.*{message}"):
        Text2ImagePipeline("demo", device, lazy=True, **{name: value})
    with pytest.raises(ValueError, match=message):
        CLIPTextModel(demo_model_path() / "text_encoder", "CPU", **{name: value})


@pytest.mark.parametrize(
    ("device", "properties"),
    [
        ("CPU", {"CACHE_DIR": "compiled", "ENABLE_MMAP": True, "AUTO_BATCH_TIMEOUT": 1}),
        ("CPU", {"DEVICE_PROPERTIES": {"CPU": {"NUM_STREAMS": 1}, "GPU": {"NUM_STREAMS": 2}}}),
        ("CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32, "WEIGHTS_PATH": "elsewhere"}),
        ("AUTO:CPU", {"PERFORMANCE_HINT": "LATENCY", "LOG_LEVEL": "LOG_NONE"}),
        ("AUTO:CPU", {"GPU_QUEUE_THROTTLE": "LOW"}),
        ("HETERO:CPU", {"MULTI_DEVICE_PRIORITIES": "CPU", "NUM_STREAMS": 1}),
        ("BATCH:CPU", {"AUTO_BATCH_TIMEOUT": 1}),
    ],
)
def test_what_openvino_takes_is_taken(device, properties, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pipeline = Text2ImagePipeline("demo", device, lazy=True, **properties)
    assert pipeline.backends.setup.properties.items() >= properties.items()
    assert not list(tmp_path.iterdir())
