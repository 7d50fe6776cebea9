"""The doctor finds all that is wrong with a model's folder at once."""

import shutil

from taylorseer_ov.caching.calibrated_plans import read_plans, write_plans
from taylorseer_ov.doctor.diagnosis import diagnose
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.pictures.preview_map import read_preview, write_preview
from tests.doctor.common import edit_json, found, machine, weights_of


def test_all_that_is_wrong_with_a_folder_is_found_at_once(model_copy):
    (model_copy / "tokenizer" / "openvino_tokenizer.xml").unlink()
    weights = model_copy / "transformer" / "openvino_model.bin"
    weights.write_bytes(weights.read_bytes()[:1000])
    edit_json(model_copy / "vae_decoder" / "config.json", block_out_channels=None)
    edit_json(model_copy / "model_index.json", text_encoder=["transformers", "BertModel"])
    edit_json(model_copy / "generation_config.json", height=100)
    diagnosis = diagnose(model_copy, machine=machine())
    problems = {finding.subject: finding for finding in diagnosis.problems}
    assert set(problems) == {
        "model_index.json",
        "tokenizer",
        "transformer",
        "vae_decoder",
        "generation_config.json",
    }
    assert "truncated: 1000 bytes instead of" in problems["transformer"].text
    assert problems["transformer"].remedy == "export it again: taylorseer-ov export MODEL OUT_DIR"
    assert "were not converted" in problems["tokenizer"].remedy
    assert "height must be a multiple of 16, got 100" in problems["generation_config.json"].text
    assert found(diagnosis, "text_encoder_2").status == "ok"


def test_text_encoders_in_each_other_s_place_are_noticed(model_copy):
    (model_copy / "text_encoder").rename(model_copy / "aside")
    (model_copy / "text_encoder_2").rename(model_copy / "text_encoder")
    (model_copy / "aside").rename(model_copy / "text_encoder_2")
    problems = {finding.subject: finding.text for finding in diagnose(model_copy).problems}
    assert "is of 't5', not 'clip_text_model'" in problems["text_encoder"]
    assert "text_encoder_2" in problems


def test_a_model_of_another_part_is_noticed(model_copy):
    shutil.rmtree(model_copy / "transformer")
    shutil.copytree(model_copy / "vae_decoder", model_copy / "transformer")
    problems = [finding.text for finding in diagnose(model_copy).problems]
    assert any("is the model of another part" in text for text in problems)


def test_sizes_and_precisions_are_told(model_copy):
    size = (model_copy / "transformer" / "openvino_model.bin").stat().st_size
    text = found(diagnose(weights_of(model_copy, "u4")), "transformer").text
    assert text == f"{size / 1e6:.1f} MB, most of it int4"


def test_where_plans_and_previews_are_from_is_told(model_copy, user_folder):
    assert "beside the model: " in found(diagnose(model_copy), "cache_plans.json").text
    assert found(diagnose(model_copy), "preview.json").text == "fits the VAE, beside the model"
    folder = FluxFolder.read(model_copy)
    plan = read_plans(folder)[0]
    plans = write_plans(folder, [plan])
    preview = write_preview(folder, read_preview(folder))
    text = found(diagnose(model_copy), "cache_plans.json").text
    assert text.startswith(f"1 calibrated, in {plans.parent}: {plan}; ")
    assert "calibrated, beside the model: " in text
    assert found(diagnose(model_copy), "preview.json").text == f"fits the VAE, in {preview.parent}"


def test_plans_and_previews_of_other_weights_are_problems(model_copy):
    edit_json(model_copy / "cache_plans.json", transformer="other")
    edit_json(model_copy / "preview.json", vae="other")
    problems = {finding.subject: finding for finding in diagnose(model_copy).problems}
    assert set(problems) == {"cache_plans.json", "preview.json"}
    assert "taylorseer-ov calibrate" in problems["cache_plans.json"].remedy


def test_a_folder_that_is_not_there(tmp_path):
    [problem] = diagnose(tmp_path / "nowhere", machine=machine()).problems
    assert "there is no folder" in problem.text
