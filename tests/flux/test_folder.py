"""A broken model folder is recognised before anything is loaded, in one clear sentence."""

import json
import os
import subprocess
import sys

import pytest

from taylorseer_ov import ModelFolderError, Text2ImagePipeline, demo_model_path
from taylorseer_ov.flux.folder import FluxFolder


def edit_json(path, **changes):
    values = json.loads(path.read_text()) | changes
    kept = {name: value for name, value in values.items() if value is not None}
    path.write_text(json.dumps(kept))


def test_the_demo_model_is_read():
    folder = FluxFolder.read(demo_model_path())
    assert folder.guidance_embeds
    assert (folder.in_channels, folder.latent_channels, folder.vae_scale) == (64, 16, 8)
    assert folder.noise_levels.use_dynamic_shifting
    assert folder.clip_length == 77
    assert folder.defaults["height"] == folder.defaults["width"] == 128


def test_a_missing_folder(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no model folder '.*nowhere'.*`taylorseer-ov export` wrote"
    ):
        Text2ImagePipeline(tmp_path / "nowhere")


def test_a_folder_that_is_no_export(tmp_path):
    with pytest.raises(ModelFolderError, match=r"not a Flux export: it has no model_index\.json"):
        Text2ImagePipeline(tmp_path)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("transformer/openvino_model.xml", "openvino_model.xml is missing; export it again"),
        ("transformer/openvino_model.bin", "openvino_model.bin is missing; export it again"),
        ("vae_decoder/config.json", "config.json is missing; export it again"),
        ("scheduler/scheduler_config.json", "scheduler_config.json is missing"),
        ("tokenizer_2/openvino_tokenizer.xml", "the tokenizers were not converted"),
    ],
)
def test_a_missing_file(model_copy, file, message):
    (model_copy / file).unlink()
    with pytest.raises(ModelFolderError, match=message):
        Text2ImagePipeline(model_copy)


def test_a_pytorch_checkpoint(model_copy):
    (model_copy / "transformer/openvino_model.xml").unlink()
    (model_copy / "transformer/model.safetensors").touch()
    with pytest.raises(ModelFolderError, match=r"PyTorch checkpoint; convert it: taylorseer-ov"):
        Text2ImagePipeline(model_copy)


def test_truncated_weights(model_copy):
    weights = model_copy / "transformer/openvino_model.bin"
    size = weights.stat().st_size
    weights.write_bytes(weights.read_bytes()[: size // 2])
    with pytest.raises(ModelFolderError, match=f"truncated: {size // 2} bytes instead of {size}"):
        Text2ImagePipeline(model_copy)


def test_truncated_description(model_copy):
    xml = model_copy / "text_encoder/openvino_model.xml"
    xml.write_text(xml.read_text()[:5000])
    with pytest.raises(ModelFolderError, match="is truncated or no OpenVINO model"):
        Text2ImagePipeline(model_copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_class_name": "StableDiffusion3Pipeline"}, "pipeline class 'StableDiffusion3Pipeline'"),
        ({"text_encoder_2": ["x", "CLIPTextModel"]}, "text_encoder_2 is of class 'CLIPTextModel'"),
        ({"transformer": 3}, "transformer is of class 3, expected 'FluxTransformer2DModel'"),
    ],
)
def test_a_model_of_another_class(model_copy, changes, message):
    edit_json(model_copy / "model_index.json", **changes)
    with pytest.raises(ModelFolderError, match=message):
        Text2ImagePipeline(model_copy)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\udcff"])
def test_json_files_that_are_none(model_copy, text):
    path = model_copy / "transformer/config.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelFolderError, match=r"config\.json (is not valid JSON|must hold)"):
        Text2ImagePipeline(model_copy)


def test_values_of_the_wrong_type(model_copy):
    edit_json(model_copy / "vae_decoder/config.json", block_out_channels=None)
    with pytest.raises(ModelFolderError, match="block_out_channels"):
        Text2ImagePipeline(model_copy)
    edit_json(model_copy / "vae_decoder/config.json", block_out_channels=[1, 2, 3, 4])
    edit_json(model_copy / "vae_decoder/config.json", shift_factor="0")
    with pytest.raises(ModelFolderError, match="shift_factor must be a number, got '0'"):
        Text2ImagePipeline(model_copy)
    edit_json(model_copy / "vae_decoder/config.json", shift_factor=0)
    edit_json(model_copy / "scheduler/scheduler_config.json", base_shift="much")
    with pytest.raises(ModelFolderError, match="base_shift"):
        Text2ImagePipeline(model_copy)


def test_an_unsupported_scheduler(model_copy):
    edit_json(model_copy / "scheduler/scheduler_config.json", use_beta_sigmas=True)
    with pytest.raises(ModelFolderError, match="use_beta_sigmas=true is not supported"):
        Text2ImagePipeline(model_copy)


def test_a_model_s_own_defaults_are_checked_as_a_user_s_are(model_copy):
    (model_copy / "generation_config.json").write_text('{"height": 100}')
    with pytest.raises(ModelFolderError, match="height must be a multiple of 16, got 100"):
        Text2ImagePipeline(model_copy)


def test_a_model_may_ask_for_caching(model_copy):
    edit_json(model_copy / "generation_config.json", taylorseer_config={"cache_interval": 4})
    pipeline = Text2ImagePipeline(model_copy, backend="python")
    assert pipeline.get_generation_config().taylorseer_config.cache_interval == 4
    report = pipeline.generate("a small red star on white", num_inference_steps=12).report
    assert report.schedule == "CCCCCC...CCC"
    report = pipeline.generate(
        "a small red star on white", num_inference_steps=12, taylorseer_config=None
    ).report
    assert report.predicted_steps == 0


def test_a_json_file_that_no_model_has(model_copy):
    """It is not read into memory: a sparse file of 1 GB takes no time."""
    path = model_copy / "transformer" / "config.json"
    with path.open("r+b") as file:
        file.truncate(10**9)
    with pytest.raises(ModelFolderError, match=r"config.json has over 16 MB, which no JSON"):
        FluxFolder.read(model_copy)


@pytest.mark.posix
def test_a_pipe_in_a_folder_keeps_nobody_waiting(model_copy, tmp_path):
    """In a process of its own, which would wait without end for somebody to write."""
    for path in (model_copy / "transformer" / "config.json", tmp_path / "picture.png"):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    code = "import sys; from taylorseer_ov.cli import main; sys.exit(main(sys.argv[1:]))"
    for words in (["info", str(model_copy)], ["generate", "-C", str(tmp_path / "picture.png")]):
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert " is no file" in done.stderr
