"""The command that tells what a picture or a model is."""

import json
import re

import pytest

from taylorseer_ov import Recipe
from taylorseer_ov.cli import main
from taylorseer_ov.pictures.png import encode_png
from tests.common import PROMPT

# few steps, for which the demo model has no calibrated plans
pytestmark = pytest.mark.filterwarnings("ignore::taylorseer_ov.caching.presets.CalibrationWarning")


def test_info_tells_how_a_picture_was_made(saved, drawn, capsys):
    assert main(["info", str(saved)]) == 0
    told = capsys.readouterr().out
    assert f"prompt      {PROMPT}" in told
    assert f"schedule    {drawn.report.schedule}" in told
    assert "cache       fast" in told
    assert main(["info", str(saved), "--json"]) == 0
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert Recipe.from_json(json.dumps(event["recipe"])) == drawn.recipe


def test_info_shows_control_characters_instead_of_sending_them(drawn, tmp_path, capsys):
    values = json.loads(drawn.recipe.to_json()) | {"prompt": "\x1b]0;owned\x07\nprompt  fake"}
    path = tmp_path / "hostile.png"
    recipe = Recipe.from_json(json.dumps(values))
    path.write_bytes(encode_png(drawn.data[0], recipe.texts()))
    assert main(["info", str(path)]) == 0
    assert "prompt      \\x1b]0;owned\\x07\\nprompt  fake\n" in capsys.readouterr().out


def test_info_tells_what_a_model_is(model_copy, capsys):
    assert main(["info", str(model_copy)]) == 0
    told = capsys.readouterr().out
    assert "FluxPipeline, with a guidance scale" in told
    assert re.search(r"transformer +7\.8 MB +f16 100%", told)
    assert "28 steps,  8 runs  C.C..C" in told
    assert main(["info", "demo", "--json"]) == 0
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    stated = sum(event["parts"]["transformer"]["precisions"].values())
    present = (model_copy / "transformer" / "openvino_model.bin").stat().st_size
    assert stated == pytest.approx(present, rel=1e-5)
    (model_copy / "cache_plans.json").write_text("{}")
    assert main(["info", str(model_copy)]) == 0
    assert "has no calibrated plans of a known format" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "message"),
    [("nowhere", "there is no picture or model folder 'nowhere'"), (".", "is not a Flux export")],
)
def test_info_about_nothing_is_misuse(path, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["info", path]) == 2
    assert message in capsys.readouterr().err
