"""A real export computes what torch computes."""

import json
import shutil
from pathlib import Path

import pytest

from taylorseer_ov.export.checkpoint import ExportError
from taylorseer_ov.export.export import export_model
from tests.export.common import PARTS, names

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and its friends warn at every import


def constants(folder: Path, part: str):
    """The constants of a model: (type, number of axes longer than one)."""
    import openvino as ov

    model = ov.Core().read_model(folder / part / "openvino_model.xml")
    return [
        (node.get_element_type().to_string(), sum(size > 1 for size in node.shape))
        for node in model.get_ops()
        if node.get_type_name() == "Constant"
    ]


def deviation(lines: list[str]) -> float:
    (line,) = [line for line in lines if line.startswith("maximum absolute difference")]
    return float(line.split(": ")[1].split()[0])


@pytest.mark.export
def test_float16_export_computes_what_torch_computes(exported):
    folder, lines = exported
    # rounding of float32 sums only; Optimum's own fp16 gives about 1e-2 here
    assert deviation(lines) < 5e-6
    assert lines[0].endswith("to fp16")
    for part in PARTS:
        matrices = {kind for kind, axes in constants(folder, part) if axes > 1 and "f" in kind}
        assert matrices == {"f16"}, part


@pytest.mark.export
def test_files_of_an_export(exported):
    folder, _ = exported
    assert names(folder.parent) == ["model"]
    assert names(folder) == sorted(
        ["model_index.json", "scheduler", "tokenizer", "tokenizer_2", *PARTS]
    )
    for part in PARTS:
        assert names(folder / part) == ["config.json", "openvino_model.bin", "openvino_model.xml"]
    for tokenizer in ("tokenizer", "tokenizer_2"):
        assert {"openvino_tokenizer.xml", "openvino_tokenizer.bin", "tokenizer.json"} <= set(
            names(folder / tokenizer)
        )
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    assert "time_shift_type" not in scheduler
    assert scheduler["use_dynamic_shifting"] is True
    for path in folder.rglob("*.json"):
        assert "_name_or_path" not in path.read_text()


@pytest.mark.export
def test_inputs_and_outputs(exported):
    import openvino as ov

    def read(part):
        model = ov.Core().read_model(exported[0] / part / "openvino_model.xml")
        inputs = {port.get_any_name(): port.partial_shape.to_string() for port in model.inputs}
        return inputs, [port.get_any_name() for port in model.outputs], model

    inputs, outputs, transformer = read("transformer")
    assert inputs == {
        "hidden_states": "[?,?,64]",
        "encoder_hidden_states": "[?,?,128]",
        "pooled_projections": "[?,64]",
        "timestep": "[?]",
        "img_ids": "[?,3]",
        "txt_ids": "[?,3]",
        "guidance": "[?]",
    }
    assert outputs == ["out_sample"]
    scale = transformer.get_rt_info(["runtime_options", "ACTIVATIONS_SCALE_FACTOR"])
    assert float(scale.value) == 8
    assert read("text_encoder")[1] == ["last_hidden_state", "pooler_output"]
    assert read("text_encoder_2")[1] == ["last_hidden_state"]
    assert read("vae_decoder")[:2] == ({"latent_sample": "[?,16,?,?]"}, ["sample"])


@pytest.mark.export
def test_openvino_genai_draws_the_picture_of_diffusers(exported, pipeline_folder, tmp_path):
    import numpy as np
    import openvino as ov
    import openvino_genai
    import torch
    from diffusers import FluxPipeline

    prompt, size, steps, tokens = "a large red circle on a blue background", 64, 4, 32
    noise = openvino_genai.CppStdGenerator(7).randn_tensor(ov.Shape([1, 16, 8, 8])).data.copy()
    torch_pipeline = FluxPipeline.from_pretrained(pipeline_folder, torch_dtype=torch.float32)
    torch_pipeline.set_progress_bar_config(disable=True)
    expected = torch_pipeline(
        prompt,
        latents=FluxPipeline._pack_latents(torch.from_numpy(noise), 1, 16, 8, 8),
        num_inference_steps=steps,
        width=size,
        height=size,
        guidance_scale=3.5,
        max_sequence_length=tokens,
        output_type="np",
    ).images

    def native_deviation(folder):
        pipeline = openvino_genai.Text2ImagePipeline(folder, "CPU", INFERENCE_PRECISION_HINT="f32")
        picture = pipeline.generate(
            prompt,
            rng_seed=7,
            num_inference_steps=steps,
            width=size,
            height=size,
            guidance_scale=3.5,
            max_sequence_length=tokens,
            taylorseer_config=None,
        ).data
        # native cuts decimals off where others round
        return np.abs(picture - (255 * expected - 0.5)).max()

    assert native_deviation(exported[0]) < 0.52
    # what would be without mending the scheduler file
    unmended = tmp_path / "unmended"
    shutil.copytree(exported[0], unmended)
    shutil.copytree(pipeline_folder / "scheduler", unmended / "scheduler", dirs_exist_ok=True)
    assert native_deviation(unmended) > 1.5


@pytest.mark.export
def test_int4_with_its_options(pipeline_folder, exported, tmp_path, monkeypatch):
    def main_export(source, output, **options):  # what Optimum wrote before, to save the time
        shutil.copytree(exported[0], output)
        shutil.copytree(pipeline_folder / "scheduler", output / "scheduler", dirs_exist_ok=True)

    monkeypatch.setattr("optimum.exporters.openvino.main_export", main_export)
    folder = export_model(
        pipeline_folder, tmp_path / "out", weight_format="int4", group_size=32, ratio=0.5, sym=True
    )
    assert set(names(folder)) - set(names(exported[0])) == {"openvino_config.json"}
    for tokenizer in ("tokenizer", "tokenizer_2"):
        assert names(folder / tokenizer) == names(exported[0] / tokenizer)
    scheduler = (folder / "scheduler" / "scheduler_config.json").read_text()
    assert "time_shift_type" not in scheduler
    kinds = [kind for kind, axes in constants(folder, "transformer") if axes > 1]
    assert {"i4", "u8"} <= set(kinds)
    assert "f32" not in kinds
    weights = Path("transformer", "openvino_model.bin")
    assert (folder / weights).stat().st_size < 0.5 * (exported[0] / weights).stat().st_size


@pytest.mark.export
def test_float32_from_a_bfloat16_checkpoint(pipeline_folder, tmp_path):
    import torch
    from diffusers import FluxPipeline

    half = tmp_path / "half"
    FluxPipeline.from_pretrained(pipeline_folder, torch_dtype=torch.bfloat16).save_pretrained(half)
    folder = export_model(half, tmp_path / "out", weight_format="fp32")
    for part in PARTS:
        matrices = {kind for kind, axes in constants(folder, part) if axes > 1 and "f" in kind}
        assert matrices == {"f32"}, part


@pytest.mark.export
def test_a_tokenizer_that_was_not_converted_is_an_error(tmp_path):
    from taylorseer_ov.export.conversion import check_tokenizers

    index = {"tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": [None, None]}
    with pytest.raises(ExportError, match=r"tokenizer \(CLIPTokenizer\) could not be converted"):
        check_tokenizers(tmp_path, index)


@pytest.mark.parametrize(
    ("class_name", "kept"),
    [("FluxPipeline", False), ("FluxFillPipeline", False), ("Flux2KleinPipeline", True)],
)
def test_the_shift_is_mended_for_flux_1_only(tmp_path, class_name, kept):
    from taylorseer_ov.export.conversion import mend_configs

    path = tmp_path / "scheduler" / "scheduler_config.json"
    path.parent.mkdir()
    path.write_text('{"time_shift_type": "exponential", "shift": 3.0}')
    (tmp_path / "model_index.json").write_text("{}")
    mend_configs(tmp_path, {"_class_name": class_name})
    assert ("time_shift_type" in json.loads(path.read_text())) == kept
    linear = '{"time_shift_type": "linear"}'
    path.write_text(linear)
    mend_configs(tmp_path, {"_class_name": class_name})
    assert path.read_text() == linear
