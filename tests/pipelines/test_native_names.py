"""Names of openvino_genai that are handed through: its own when used, an error without it."""

import subprocess
import sys

import pytest

import taylorseer_ov
from taylorseer_ov import (
    Adapter,
    AdapterConfig,
    InpaintingPipeline,
    Scheduler,
    Text2ImagePipeline,
    Tokenizer,
    demo_model_path,
    genai,
    native_names,
)
from taylorseer_ov.generation.settings import check_adapters

KINDS = native_names.OpenvinoGenaiObject.__subclasses__()
SCHEDULER = demo_model_path() / "scheduler" / "scheduler_config.json"


@pytest.fixture(params=[None, "2025.4.1.0"])
def no_openvino_genai(request, monkeypatch):
    monkeypatch.setattr(genai, "installed_version", lambda package: request.param)
    monkeypatch.setitem(sys.modules, "openvino_genai", None)


def test_all_are_public():
    assert len(KINDS) == 11
    assert all(getattr(taylorseer_ov, kind.__name__) is kind for kind in KINDS)


def test_without_openvino_genai_each_says_so_when_it_is_used(no_openvino_genai):
    for kind in KINDS:
        with pytest.raises(RuntimeError, match=f"^{kind.__name__} is a class .*: openvino_g"):
            kind("path")
    with pytest.raises(RuntimeError, match=r"run pip install -U openvino-genai$"):
        _ = AdapterConfig.Mode
    assert not isinstance(3, Adapter)
    assert not hasattr(Adapter, "__wrapped__")  # tools may ask
    with pytest.raises(RuntimeError, match="Tokenizer is a class of openvino_genai"):
        type("Mine", (Tokenizer,), {})


def test_other_models_without_openvino_genai(no_openvino_genai):
    for model in ("stable_diffusion", "stable_diffusion_xl", "stable_diffusion_3"):
        with pytest.raises(RuntimeError, match=f"^{model} makes a pipeline of openvino_genai: "):
            getattr(Text2ImagePipeline, model)(None)
    with pytest.raises(RuntimeError, match=r"^latent_consistency_model makes"):
        InpaintingPipeline.latent_consistency_model(None)


@pytest.mark.native
def test_importing_and_asking_imports_nothing():
    code = "from taylorseer_ov import *; import sys; isinstance(1, Adapter); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "taylorseer_ov.native_names" in done.stdout.split()
    assert "openvino_genai" not in done.stdout.split()


@pytest.mark.native
def test_they_are_those_of_openvino_genai():
    import openvino_genai

    config = AdapterConfig(mode=AdapterConfig.Mode.MODE_FUSE)
    assert type(config) is openvino_genai.AdapterConfig
    assert AdapterConfig.Mode is openvino_genai.AdapterConfig.Mode
    assert isinstance(config, AdapterConfig)
    assert not isinstance(config, Adapter)
    for kind in KINDS:
        theirs = getattr(openvino_genai, kind.__name__)
        assert native_names.native(kind) is theirs
        assert issubclass(theirs, kind)
    tokenizer = Tokenizer(demo_model_path() / "tokenizer")
    assert tokenizer.encode("a red circle").input_ids.shape[0] == 1
    assert isinstance(tokenizer, Tokenizer)


@pytest.mark.native
def test_a_class_derived_from_one_is_derived_from_that_of_openvino_genai():
    import openvino_genai

    class Mine(AdapterConfig):
        def count(self):
            return len(self.get_adapters())

    assert issubclass(Mine, openvino_genai.AdapterConfig)
    assert Mine().count() == 0
    assert isinstance(Mine(), AdapterConfig)
    check_adapters(Mine())
    with pytest.raises(
        TypeError, match=r"must be an openvino_genai.AdapterConfig, got <.*Adapter "
    ):
        check_adapters(Adapter())


@pytest.mark.native
def test_what_an_older_openvino_genai_does_not_have(monkeypatch):
    import openvino_genai

    monkeypatch.delattr(openvino_genai, "QwenImageTransformer2DModel")
    with pytest.raises(RuntimeError, match=r"Qwen.*: openvino_genai 2.* has none; run pip"):
        taylorseer_ov.QwenImageTransformer2DModel("path")


@pytest.mark.native
@pytest.mark.parametrize("task", ["Text2Image", "Image2Image", "Inpainting"])
def test_other_models_go_to_the_pipeline_of_the_task(monkeypatch, task):
    import openvino_genai

    given = []
    monkeypatch.setattr(
        getattr(openvino_genai, f"{task}Pipeline"),
        "stable_diffusion",
        lambda *parts, **named: given.append((parts, named)),
    )
    factory = getattr(taylorseer_ov, f"{task}Pipeline").stable_diffusion
    factory(Scheduler.from_config(SCHEDULER), "text encoder", vae="vae")
    (((scheduler, text_encoder), named),) = given
    assert isinstance(scheduler, openvino_genai.Scheduler)
    assert (text_encoder, named) == ("text encoder", {"vae": "vae"})


@pytest.mark.native
def test_other_models_of_wrong_parts():
    with pytest.raises(TypeError, match=r"scheduler, clip_text_model, unet, vae; got Scheduler, i"):
        Text2ImagePipeline.stable_diffusion(Scheduler.from_config(SCHEDULER), 3)


def test_the_version_is_ours():
    assert taylorseer_ov.get_version() == taylorseer_ov.__version__
