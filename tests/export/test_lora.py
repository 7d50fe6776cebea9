"""LoRA adapters: openvino_genai's keyword, and fused by the export; both as in diffusers."""

import numpy as np
import pytest

from taylorseer_ov import Image2ImagePipeline, Text2ImagePipeline, demo_model_path
from taylorseer_ov.cli import main
from taylorseer_ov.cli.export import read_lora
from taylorseer_ov.export.checkpoint import ExportError
from taylorseer_ov.export.export import export_model
from taylorseer_ov.flux.generators import StandardNormalGenerator
from tests.common import F32, PROMPT
from tests.export.common import LAYERS, write_lora

SETTINGS = {"height": 64, "width": 64, "num_inference_steps": 4, "max_sequence_length": 32}


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    return write_lora(tmp_path_factory.mktemp("lora") / "style.safetensors", LAYERS)


@pytest.fixture(scope="module")
def other_lora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other_lora")
    return write_lora(folder / "other=1.5.safetensors", dict([*LAYERS.items()][:2]), seed=1)


def config_of(*loras):
    """An `openvino_genai.AdapterConfig` of (path, alpha), or of adapters themselves."""
    import openvino_genai

    config = openvino_genai.AdapterConfig()
    for adapter, alpha in loras:
        is_path = not isinstance(adapter, openvino_genai.Adapter)
        config.add(openvino_genai.Adapter(adapter) if is_path else adapter, alpha)
    return config


def difference(first, second):
    return np.abs(first.astype(int) - second).max()


# --- the native backend ---


@pytest.mark.native
def test_adapters_are_those_of_the_constructor_or_of_the_call(lora, pipeline):
    config = config_of((lora, 1.0))
    adapter = config.get_adapters()[0]
    adapted = Text2ImagePipeline(demo_model_path(), adapters=config, **F32)

    def draw(**settings):
        result = adapted.generate(PROMPT, **SETTINGS, **settings)
        assert result.report.backend == "native"
        return result.data

    plain = pipeline.generate(PROMPT, **SETTINGS).data
    styled = draw()
    assert difference(styled, plain) > 20
    half = draw(adapters=config_of((adapter, 0.5)))
    assert difference(half, styled) > 20
    # what one call was given does not stay
    assert np.array_equal(draw(), styled)
    assert difference(draw(adapters=config_of()), plain) <= 1
    assert np.array_equal(draw(adapters=config_of((adapter, 1.0))), styled)


@pytest.mark.native
def test_the_text_length_may_change_with_adapters(lora):
    adapted = Text2ImagePipeline(demo_model_path(), adapters=config_of((lora, 1.0)), **F32)
    first = adapted.generate(PROMPT, **SETTINGS).data
    adapted.generate(PROMPT, **(SETTINGS | {"max_sequence_length": 48}))
    assert np.array_equal(adapted.generate(PROMPT, **SETTINGS).data, first)


@pytest.mark.native
def test_openvino_genai_ignores_the_alpha_in_a_file(lora, tmp_path):
    """Which diffusers divides by the rank and multiplies with: our documentation says so."""
    weaker = write_lora(tmp_path / "weaker.safetensors", LAYERS, alpha=2.0)
    drawn = [
        Text2ImagePipeline(demo_model_path(), adapters=config_of((path, 1.0)), **F32)
        .generate(PROMPT, **SETTINGS)
        .data
        for path in (lora, weaker)
    ]
    assert np.array_equal(*drawn)


@pytest.mark.native
def test_other_pipelines_take_adapters(lora, pipeline):
    given = pipeline.generate(PROMPT, **SETTINGS).data
    adapted = Image2ImagePipeline(demo_model_path(), adapters=config_of((lora, 1.0)), **F32)
    plain = adapted.generate(PROMPT, given, adapters=config_of()).data
    assert difference(adapted.generate(PROMPT, given).data, plain) > 20


@pytest.mark.native
def test_pipelines_made_from_one_another_have_the_same_adapters(lora):
    """openvino_genai makes the others from the one in which the adapters are compiled."""
    given = np.zeros((64, 64, 3), np.uint8)
    adapted = Text2ImagePipeline(demo_model_path(), adapters=config_of((lora, 1.0)), **F32)
    own = adapted.generate(PROMPT, **SETTINGS).data
    shared = Image2ImagePipeline(adapted)
    for pipeline, pictures in ((shared, [given]), (Text2ImagePipeline(shared), [])):
        styled = pipeline.generate(PROMPT, *pictures, **SETTINGS).data
        plain = pipeline.generate(PROMPT, *pictures, adapters=config_of(), **SETTINGS).data
        assert difference(styled, plain) > 3
    assert np.array_equal(styled, own)


@pytest.mark.native
def test_adapters_where_openvino_genai_cannot_draw(lora, pipeline):
    config = config_of((lora, 1.0))
    advice = "fuse them into the model: taylorseer-ov export MODEL OUT_DIR --lora PATH"
    with pytest.raises(ValueError, match=f"backend='python' takes no adapters; .*{advice}"):
        Text2ImagePipeline(demo_model_path(), backend="python", adapters=config)
    with pytest.raises(ValueError, match=f"holds all models in memory at once; .*{advice}"):
        Text2ImagePipeline(demo_model_path(), low_memory=True, adapters=config)
    adapted = Text2ImagePipeline(demo_model_path(), adapters=config)
    with pytest.raises(RuntimeError, match=f"not with adapters: .*drops callbacks.*{advice}"):
        adapted.generate(PROMPT, callback=lambda *_: None, **SETTINGS)
    with pytest.raises(ValueError, match=f"not given to the constructor, .*{advice}"):
        pipeline.generate(PROMPT, adapters=config, **SETTINGS)


def test_adapters_of_another_kind(lora):
    with pytest.raises(TypeError, match=r"an openvino_genai\.AdapterConfig, got .*style"):
        Text2ImagePipeline(demo_model_path(), adapters=lora)


# --- fused by the export ---


@pytest.mark.parametrize(
    ("text", "path", "scale"),
    [
        ("a.safetensors", "a.safetensors", 1.0),
        ("a.safetensors=0.5", "a.safetensors", 0.5),
        ("a=b/c.safetensors", "a=b/c.safetensors", 1.0),
        ("a=b/c.safetensors=-2", "a=b/c.safetensors", -2.0),
    ],
)
def test_a_path_and_a_scale(text, path, scale):
    read = read_lora(text)
    assert (str(read[0]), read[1]) == (path, scale)


def test_files_that_are_no_lora(tmp_path, capsys):
    pickled = tmp_path / "lora.bin"
    pickled.touch()
    for path in (pickled, tmp_path / "nowhere.safetensors"):
        arguments = ["owner/name", str(tmp_path / "out"), "--lora", str(path)]
        assert main(["export", *arguments]) == 2
        assert f"there is no LoRA file '{path}' (.safetensors)" in capsys.readouterr().err


def test_a_scale_that_is_none(lora, tmp_path):
    with pytest.raises(ValueError, match=r"the scale of .* must be finite, got nan"):
        export_model("owner/name", tmp_path / "out", lora=[(lora, float("nan"))])


def test_peft_is_asked_for(lora, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "peft" else object()
    )
    with pytest.raises(ExportError, match=r"fusing a LoRA needs peft; .*pip install peft"):
        export_model("owner/name", tmp_path / "out", lora=[(lora, 1.0)])


@pytest.fixture(scope="module")
def draw_with_torch(pipeline_folder):
    def draw(*loras):
        import torch
        from diffusers import FluxPipeline

        reference = FluxPipeline.from_pretrained(pipeline_folder, torch_dtype=torch.float32)
        reference.set_progress_bar_config(disable=True)
        for i, (path, _) in enumerate(loras):
            reference.load_lora_weights(path, adapter_name=str(i))
        if loras:
            reference.set_adapters(
                [str(i) for i in range(len(loras))], [scale for _, scale in loras]
            )
        noise = torch.from_numpy(StandardNormalGenerator(7).randn_tensor((1, 16, 8, 8)))
        latents = FluxPipeline._pack_latents(noise, 1, 16, 8, 8)
        return np.asarray(reference(PROMPT, latents=latents, **SETTINGS).images[0])

    return draw


def draw(folder, **options):
    pipeline = Text2ImagePipeline(folder, **F32, **options)
    return pipeline.generate(PROMPT, generator=StandardNormalGenerator(7), **SETTINGS).data[0]


@pytest.mark.export
@pytest.mark.filterwarnings("ignore")
def test_an_export_with_two_loras_draws_what_torch_draws_with_them(
    pipeline_folder, tmp_path, lora, other_lora, draw_with_torch
):
    loras = [(lora, 0.5), (other_lora, -1.0)]
    lines = []
    folder = export_model(
        pipeline_folder,
        tmp_path / "fused",
        weight_format="fp32",
        lora=loras,
        say=lines.append,
    )
    assert "fusing style.safetensors at 0.5, other=1.5.safetensors at -1" in lines
    assert not (folder / "fused").exists()
    drawn, expected = draw(folder, backend="python"), draw_with_torch(*loras)
    assert difference(drawn, expected) <= 1
    assert difference(drawn, draw_with_torch(loras[0])) > 20
    assert difference(drawn, draw_with_torch()) > 20


@pytest.mark.export
@pytest.mark.filterwarnings("ignore")
def test_native_adapters_draw_what_torch_draws_with_them(exported, lora, draw_with_torch):
    import openvino_genai

    adapted = Text2ImagePipeline(exported[0], adapters=config_of((lora, 0.7)), **F32)
    drawn = adapted.generate(PROMPT, generator=openvino_genai.CppStdGenerator(7), **SETTINGS)
    assert drawn.report.backend == "native"
    assert difference(drawn.data[0], draw_with_torch((lora, 0.7))) <= 1


@pytest.mark.export
@pytest.mark.filterwarnings("ignore")
def test_a_lora_of_another_model_is_an_error(pipeline_folder, tmp_path):
    strange = write_lora(tmp_path / "strange.safetensors", {"down_blocks.0.proj": (8, 8)})
    with pytest.raises(ExportError, match="fusing the LoRA failed"):
        export_model(pipeline_folder, tmp_path / "out", lora=[(strange, 1.0)])
    assert not (tmp_path / "out").exists()
