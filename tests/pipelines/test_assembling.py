"""Pipelines of parts: they draw what the pipeline of the whole folder draws."""

import json
import shutil

import numpy as np
import openvino as ov
import pytest

from taylorseer_ov import (
    AutoencoderKL,
    CLIPTextModel,
    FluxTransformer2DModel,
    Image2ImagePipeline,
    InpaintingPipeline,
    ModelFolderError,
    Scheduler,
    T5EncoderModel,
    Text2ImagePipeline,
    demo_model_path,
)
from tests.common import F32, PROMPT
from tests.pipelines.common import NATIVE_PARTS, PIPELINES, SHORT, given

BACKENDS = ["python", pytest.param("native", marks=pytest.mark.native)]
PLAIN = {"cache": None} | SHORT
KINDS = (CLIPTextModel, T5EncoderModel, FluxTransformer2DModel)


def parts(folder=None, *device, encoder=True, module=None, **properties):
    """A scheduler and the four models of a folder, in the order in which `flux` takes them."""
    folder = demo_model_path() if folder is None else folder
    kinds = [getattr(module, kind.__name__) if module else kind for kind in (Scheduler, *KINDS)]
    names = ("text_encoder", "text_encoder_2", "transformer")
    made = [
        kind(folder / name, *device, **properties)
        for kind, name in zip(kinds[1:], names, strict=True)
    ]
    vae = module.AutoencoderKL if module else AutoencoderKL
    paths = [folder / name for name in ["vae_encoder", "vae_decoder"][1 - encoder :]]
    scheduler = kinds[0].from_config(folder / "scheduler" / "scheduler_config.json")
    return [scheduler, *made, vae(*paths, *device, **properties)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", PIPELINES)
def test_it_draws_what_the_folder_draws(kind, backend):
    pipeline = kind.flux(*parts(None, "CPU", **F32), backend=backend)
    assert pipeline.backends.loaded == backend
    own = kind(demo_model_path(), backend="python", **F32)
    drawn = pipeline.generate(PROMPT, *given(kind), **PLAIN)
    assert drawn.report.load_s == pipeline.backends.load_s
    expected = own.generate(PROMPT, *given(kind), **PLAIN)
    assert np.array_equal(drawn.data, expected.data)
    assert pipeline.get_generation_config() == own.get_generation_config()
    assert pipeline.folder == own.folder


def test_names_and_devices_as_they_come(loads):
    scheduler, clip, t5, transformer, vae = parts(encoder=False)
    transformer.compile("CPU", **F32)
    pipeline = Text2ImagePipeline.flux(
        scheduler=scheduler,
        clip_text_model=clip,
        t5_encoder_model=t5,
        transformer=transformer,
        vae=vae,
        backend="python",
    )
    assert pipeline.backends.loaded is None  # some wait for a device
    assert sum(loads[name] for name in NATIVE_PARTS) == 0
    pipeline.compile("CPU")
    assert pipeline.backends.loaded == "python"
    # and another pipeline is made from it, as from any; this one has no encoder of its own
    assert Image2ImagePipeline(pipeline).folder.part("vae_encoder").is_dir()


MOVED = ("text_encoder_2", "tokenizer_2", "vae_decoder")


@pytest.mark.parametrize(
    ("backend", "moved"),
    [
        ("python", MOVED),
        pytest.param("auto", MOVED, marks=pytest.mark.native),
        pytest.param("native", MOVED[:2], marks=pytest.mark.native),
    ],
)
def test_parts_of_different_folders(model_copy, pipeline, backend, moved):
    there = model_copy.parent / "elsewhere"
    there.mkdir()
    for name in moved:
        shutil.move(model_copy / name, there / name)
    scheduler, clip, *_ = parts()
    assembled = Text2ImagePipeline.flux(
        scheduler,
        clip,
        T5EncoderModel(there / "text_encoder_2"),
        FluxTransformer2DModel(model_copy / "transformer"),
        AutoencoderKL((there if "vae_decoder" in moved else model_copy) / "vae_decoder"),
        backend=backend,
    )
    assembled.compile("CPU", **F32)
    drawn = assembled.generate(PROMPT, **PLAIN)
    assert np.array_equal(drawn.data, pipeline.generate(PROMPT, **PLAIN).data)
    if backend == "auto":
        assert "looks for vae_decoder beside the transformer" in drawn.report.backend_reason
    # the recipe names the same weights, and the plans beside the transformer are found
    recipe = pipeline.generate(PROMPT, **PLAIN).recipe
    assert drawn.recipe.environment.weights == recipe.environment.weights
    job, expected = (each.prepare(PROMPT, cache="high") for each in (assembled, pipeline))
    assert job.cache_name == expected.cache_name


@pytest.mark.native
def test_openvino_genai_draws_the_same_of_its_parts():
    import openvino_genai

    theirs = openvino_genai.Text2ImagePipeline.flux(
        *parts(None, "CPU", encoder=False, module=openvino_genai, **F32)
    )
    settings = {"height": 128, "width": 128, "max_sequence_length": 32} | SHORT
    expected = theirs.generate(PROMPT, taylorseer_config=None, **settings).data
    ours = Text2ImagePipeline.flux(*parts(None, "CPU", encoder=False, **F32))
    drawn = ours.generate(PROMPT, taylorseer_config=None, **settings)
    assert drawn.report.backend == "native"
    assert np.abs(drawn.data.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_parts_that_were_reshaped(backend, pipeline):
    scheduler, clip, t5, transformer, vae = parts(encoder=False)
    fixed = [
        clip.reshape(1),
        t5.reshape(1, 32),
        transformer.reshape(1, 64, 96, 32),
        vae.reshape(1, 64, 96),
    ]
    for part in fixed:
        part.compile("CPU", **F32)
    static = Text2ImagePipeline.flux(scheduler, *fixed, backend=backend)
    drawn = static.generate(PROMPT, **PLAIN).data
    assert drawn.shape == (1, 64, 96, 3)
    dynamic = pipeline.generate(PROMPT, height=64, width=96, **PLAIN).data
    assert np.abs(drawn.astype(int) - dynamic).max() <= 1
    t5.reshape(1, 64)
    with pytest.raises(ValueError, match=r"t5_encoder_model was reshaped to .* it must be"):
        Text2ImagePipeline.flux(scheduler, *fixed)
    with pytest.raises(ValueError, match="t5_encoder_model was reshaped and the transformer was n"):
        Text2ImagePipeline.flux(scheduler, parts()[1], t5, *parts()[3:])


def test_parts_that_do_not_go_together(model_copy):
    scheduler, clip, t5, transformer, vae = parts(None, "CPU", encoder=False)
    rest = (t5, transformer, vae)
    flux = Text2ImagePipeline.flux
    with pytest.raises(TypeError, match=r"scheduler must be taylorseer_ov\.Scheduler"):
        flux(None, clip, *rest)
    with pytest.raises(TypeError, match=r"clip_text_model must be a taylorseer_ov\.CLIPTextModel"):
        flux(scheduler, t5, *rest)
    with pytest.raises(TypeError, match="vae has no encoder, which image to image needs"):
        Image2ImagePipeline.flux(scheduler, clip, *rest)
    t5.compile("CPU", **F32)
    with pytest.raises(ValueError, match=r"has {} and t5_encoder_model {'INFERENCE_PRECISION_HINT"):
        flux(scheduler, clip, *rest)
    t5.compile("AUTO:CPU")
    with pytest.raises(ValueError, match="both text encoders run on one device; got 'CPU' and 'A"):
        flux(scheduler, clip, *rest)
    config = model_copy / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"in_channels": 384}))
    fill = parts(model_copy)
    with pytest.raises(ModelFolderError, match="a Fill model does inpainting only"):
        flux(*fill)
    assert InpaintingPipeline.flux_fill(*fill).folder.is_fill
    with pytest.raises(ValueError, match="not a Fill model's; use InpaintingPipeline"):
        InpaintingPipeline.flux_fill(*parts())


@pytest.mark.native
def test_a_model_made_from_memory_is_refused_with_what_to_do():
    folder = demo_model_path() / "transformer"
    made = FluxTransformer2DModel(
        (folder / "openvino_model.xml").read_text(encoding="utf-8"),
        ov.Tensor(np.fromfile(folder / "openvino_model.bin", np.uint8)),
        FluxTransformer2DModel.Config(folder / "config.json"),
        8,
    )
    scheduler, clip, t5, _, vae = parts()
    with pytest.raises(TypeError, match=r"save it with openvino\.save_model and give its folder"):
        Text2ImagePipeline.flux(scheduler, clip, t5, made, vae)
