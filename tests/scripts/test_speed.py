"""The speed benchmark: its figures fit together, whatever the machine's speed."""

import json
import subprocess
import sys

import pytest

from scripts.benchmarks import speed as script
from scripts.benchmarks import wide_model
from taylorseer_ov import demo_model_path

KINDS = {"native rows", "corrector", "calibrated", "error control"}
# of the rule (3, 6, -2): in six steps it skips none
SCHEDULES = {10: "CCCCCC..CC", 6: "CCCCCC"}


@pytest.fixture(scope="module", params=SCHEDULES)
def printed(request):
    """Number of steps, table and JSON of a short run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", script.__name__, "--steps", str(request.param), "--repeats", "1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    table, line = done.stdout.rstrip().rsplit("\n", 1)
    return request.param, table, json.loads(line)


def test_both_backends_are_measured_by_the_same_schedule(printed):
    steps, table, results = printed
    backends = results["model"]["backends"]
    assert results["steps"] == steps
    assert "missing" not in backends["python"]
    for name, figures in backends.items():
        if "missing" in figures:
            assert f"no {name} backend: {figures['missing']}" in table
            continue
        assert f"{name} uncached" in table
        assert figures["load_s"] > 0
        assert figures["first_picture_s"] > 0
        if sys.platform != "win32":
            # more than Python alone, less than a mistaken unit would give
            assert 50 < figures["peak_memory_mib"] < 10_000
        uncached, cached = figures["uncached"], figures["cached"]
        assert uncached["schedule"] == "C" * steps
        assert cached["schedule"] == SCHEDULES[steps]
        assert uncached["predicted_step_ms"] is None
        assert (cached["predicted_step_ms"] is None) == ("." not in SCHEDULES[steps])
        assert uncached["speed_up"] == uncached["ideal_speed_up"] == 1
        assert cached["ideal_speed_up"] == steps / SCHEDULES[steps].count("C")
        assert cached["speed_up"] == uncached["total_ms"] / cached["total_ms"]
        for part in (uncached, cached):
            assert 0 < part["computed_step_ms"] < part["total_ms"]
            # openvino_genai rounds these two to whole milliseconds
            assert 0 <= part["vae_ms"] < part["total_ms"]
            assert 0 <= part["text_encoding_ms"] < part["total_ms"]


def test_cost_of_caching_is_a_share_of_the_measured_step(printed):
    _, table, results = printed
    costs = results["caching"]
    model = results["model"]
    size = f"{model['width'] * model['height'] // 256}x64"
    assert set(costs) == {size, "4096x64"}
    step_ms = model["backends"]["python"]["uncached"]["computed_step_ms"]
    for kind, figures in costs[size].items():
        assert f"{size} {kind}" in table
        assert figures["percent_of_computed_step"] == 100 * figures["mean_ms"] / step_ms
    assert "percent_of_computed_step" not in costs["4096x64"]["corrector"]


def test_cost_alone_needs_no_model(capsys, monkeypatch):
    monkeypatch.setattr(script, "process", None)
    assert script.main(["--cost-only", "--steps", "12", "--repeats", "1"]) == 0
    table, line = capsys.readouterr().out.rstrip().rsplit("\n", 1)
    results = json.loads(line)
    assert "model" not in results
    assert set(results["caching"]) == {"64x64", "4096x64"}
    for size, cost in results["caching"].items():
        assert set(cost) == KINDS
        for kind, figures in cost.items():
            assert f"{size} {kind}" in table
            low, high = sorted((figures["forecast_ms"], figures["at_a_run_ms"]))
            assert 0 < low <= figures["mean_ms"] <= high


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "--steps must be at least 1, got 0"),
        (["--repeats", "-1"], "--repeats must be at least 1, got -1"),
        (["--width-of-flux", "0"], "--width-of-flux must be at least 1, got 0"),
        (["--cost-only", "--width-of-flux", "1"], "leave out MODEL_DIR"),
        (["--steps", "many"], "invalid int value"),
        (["no/such/folder"], "there is no model folder"),
        (["--device", "TOASTER"], "unknown device 'TOASTER'"),
    ],
)
def test_misuse_is_told_before_anything_is_measured(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(script, "process", None)
    try:
        status = script.main(arguments)
    except SystemExit as error:
        status = error.code
    assert status == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_missing_export_packages_name_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(wide_model.ExportError, match=r'pip install "taylorseer-ov\[export\]"'):
        wide_model.write_wide_model(demo_model_path(), 1, tmp_path)


def test_weights_of_a_block_are_those_of_flux():
    whole = wide_model.DOUBLE_BLOCKS * wide_model.DOUBLE_WEIGHTS
    whole += wide_model.SINGLE_BLOCKS * wide_model.SINGLE_WEIGHTS
    assert whole == pytest.approx(11.9e9, rel=0.01)  # FLUX.1-dev has 11.9 * 10^9 weights


@pytest.mark.export
@pytest.mark.filterwarnings("ignore")
def test_wide_model_is_a_whole_export(tmp_path):
    folder = wide_model.write_wide_model(demo_model_path(), 1, tmp_path, num_attention_heads=1)
    transformer = json.loads((folder / "transformer" / "config.json").read_text())
    expected = {
        "attention_head_dim": 128,
        "joint_attention_dim": 4096,
        "pooled_projection_dim": 768,
        "num_layers": 1,
        "num_single_layers": 1,
        "guidance_embeds": True,
    }
    assert expected.items() <= transformer.items()
    assert (folder / "generation_config.json").exists()
    assert not (tmp_path / "pipeline").exists()
    assert script.measure_model(folder, "CPU", 2, 1)["backends"]["python"]["load_s"] > 0
