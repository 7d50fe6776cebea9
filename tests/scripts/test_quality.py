"""The quality benchmark: its methods, its figures, its plot, its page, a short run."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from scripts.benchmarks import quality as benchmark
from scripts.benchmarks import quality_measures as measures
from scripts.benchmarks import quality_methods as methods
from scripts.benchmarks.quality_page import Example, Shown, build_page
from scripts.benchmarks.quality_plot import draw_plot, spread
from scripts.demo.evaluate import choose_scenes
from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.caching.calibrated_plans import read_plans
from taylorseer_ov.caching.schedule import step_schedule
from tests.common import F32, PROMPT

pytestmark = pytest.mark.once

# --- methods and figures ---


@pytest.mark.parametrize(
    ("steps", "runs", "setting"),
    [
        (28, 14, "(3, 6, -2)"),
        (28, 11, "(4, 4, -2)"),
        (28, 10, "(5, 4, -2)"),
        (28, 8, "(6, 3, -1)"),
        (28, 6, "(7, 2, -1)"),
        (9, 5, "(3, 2, -2)"),
    ],
)
def test_native_configurations(steps, runs, setting):
    config = methods.native_config(steps, runs)
    assert methods.setting_of(config) == setting
    assert sum(step_schedule(config, steps)) == runs


def row(family, runs, mean, worst=None, setting="", scheduled=True):
    return {
        "family": family,
        "setting": setting,
        "scheduled_runs": runs if scheduled else None,
        "runs": float(runs),
        "latents_db": {
            "mean": mean,
            "p10": mean - 2,
            "worst": mean - 5 if worst is None else worst,
        },
        "psnr_db": {"mean": mean + 6, "p10": mean + 3, "worst": mean},
        "ssim": {"mean": 0.99, "p10": 0.95, "worst": 0.9},
        "right": 0.5,
        "schedule": "CC.C",
        "schedules": 1,
    }


def decided(family, setting, runs, mean):
    return row(family, runs, mean, setting=setting, scheduled=False)


ROWS = [
    row(methods.PLAIN, 6, 20),
    row(methods.NATIVE, 14, 40),
    row(methods.NATIVE, 11, 36),
    row(methods.NATIVE, 10, 34),
    row(methods.NATIVE, 8, 30),
    row(methods.CORRECTED_SIGMA, 14, 41),
    row(methods.CORRECTED_SIGMA, 11, 37),
    row(methods.CORRECTED_SIGMA, 10, 35),
    row(methods.CORRECTED_STEP, 14, 44),
    row(methods.CORRECTED_STEP, 11, 39),
    row(methods.CORRECTED_STEP, 10, 33.7),
    row(methods.CALIBRATED, 14, 50, worst=34),
    row(methods.CALIBRATED, 10, 41),
    row(methods.CALIBRATED, 8, 33),
    row(methods.CALIBRATED, 6, 28),
    decided(methods.CONTROLLED, "low", 15.5, 60),
    decided(methods.CONTROLLED, "middle", 10.5, 36.5),
    decided(methods.CONTROLLED, "high", 7.0, 29),
]


def test_tenth_percentile_lies_between_prompts():
    values = [float(value) for value in [7, 3, 9, 1, 5]]
    assert measures.summarize(values) == {"mean": 5, "p10": pytest.approx(1.8), "worst": 1}


def test_chosen_methods_only():
    sigmas = np.linspace(1, 0, 29)
    wanted = {methods.FAMILIES[name] for name in ("presets", "native", "plain", "magcache")}
    built = methods.build_methods(sigmas, [14, 8], wanted)
    # without ratios there is no MagCache
    assert [(method.family, method.runs) for method in built] == [
        (family, runs)
        for family in (methods.PLAIN, methods.NATIVE, methods.SPREAD)
        for runs in (14, 8)
    ]


def test_quick_takes_fewer_methods_unless_they_are_named():
    def chosen(*options):
        return benchmark.parse_arguments(["--quick", *options])[1].families

    assert methods.SIGMA_2 not in chosen()
    assert chosen("--methods", "order-2-sigma") == {methods.SIGMA_2}


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [
        ([], []),
        ([1, 5, 9], [1, 5, 9]),
        ([1, 1], [0, 2]),
        ([1, 1, 2, 9], [-2 / 3, 4 / 3, 10 / 3, 9]),
    ],
)
def test_labels_are_moved_apart(wanted, placed):
    assert spread(wanted, 2) == pytest.approx(placed)


def test_plot(tmp_path):
    path = tmp_path / "plot.png"
    draw_plot(ROWS, path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_says_that_matplotlib_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(SystemExit):
        benchmark.main(["--quick"])
    assert "pip install matplotlib" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runs", "28"], "--runs must be from 3 to 27"),
        (["--count", "0"], "--count must be at least 1"),
        (["--no-plot", "--tolerances", "0.01", "-1"], "tolerance must be finite and not negative"),
        (["--prompts", "mine.txt"], "needs --calibration-prompts"),
        (["--methods", "caching"], "invalid choice: 'caching'"),
        (["nowhere", "--no-plot"], "nowhere"),
        (["--no-plot", "--prompts", "no.txt", "--calibration-prompts", "no.txt"], r"no\.txt"),
    ],
)
def test_refuses_arguments_before_any_work(arguments, message, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(arguments)
    assert re.search(message, capsys.readouterr().err)


def test_does_not_measure_what_it_calibrates_on(tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a star\n\na circle\n")
    options = ["--no-plot", "--prompts", str(prompts), "--calibration-prompts", str(prompts)]
    with pytest.raises(SystemExit):
        benchmark.main(options)
    assert "'a circle' would be measured and calibrated on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [([], [14, 11, 10, 8, 6]), (["--steps", "50"], [25, 18, 14]), (["--steps", "12"], [6, 4, 3])],
)
def test_compares_at_the_shares_of_the_presets(arguments, runs):
    assert list(benchmark.parse_arguments(arguments)[1].runs) == runs


def test_the_kept_plans_are_those_for_these_steps_runs_and_size(pipeline):
    plans = benchmark.kept_plans(pipeline, 28, [14, 8, 5])
    assert sorted(plan.transformer_runs for plan in plans) == [8, 14]
    sigmas = pipeline.sigmas(num_inference_steps=28)
    listed = methods.build_methods(sigmas, [14, 8], {methods.KEPT}, kept=plans)
    assert {(method.family, method.runs) for method in listed} == {
        (methods.KEPT, 8),
        (methods.KEPT, 14),
    }
    assert benchmark.kept_plans(pipeline, 9, [5]) == []


# --- page ---


def test_page_escapes_text_and_loads_nothing():
    prompt = '<script>alert("1")</script> & a "star"'
    picture = np.zeros((16, 16, 3), np.uint8)

    def shown(family, runs):
        return Shown(family, "<b>", runs, "CC.C", picture, 40.0, 45.0, False)

    pictures = [shown("uncached", 4), shown("native", 3), shown("controlled", None)]
    summary = {
        "model": "<model>",
        "steps": 4,
        "count": 1,
        "methods": ROWS,
    }
    page = build_page(summary, [Example(prompt, 7, pictures)], plot=b"not really a PNG")
    assert prompt not in page
    assert page.count("<script") == 1
    assert "&lt;script&gt;alert(&quot;1&quot;)" in page
    assert "<model>" not in page
    assert ", <b>," not in page
    text = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]*", "", page)
    assert "http" not in text
    assert "//" not in text
    assert set(re.findall(r' src="([^"]*)"', text)) == {""}
    assert not re.search(r"@import|url\(|<link|<iframe", text)


def test_page_without_pictures_and_plot():
    summary = {"model": "demo", "steps": 9, "count": 0, "methods": ROWS}
    page = build_page(summary, [], None)
    assert "All figures" in page


# --- a short run ---


@pytest.mark.filterwarnings("ignore:3 prompts are few to calibrate on")
# few steps, of which an error control may skip none
@pytest.mark.filterwarnings("ignore::taylorseer_ov.caching.schedule.InactiveCacheWarning")
def test_quick_run_on_the_demo_model(pipeline, tmp_path, capsys):
    options = "--quick --count 2 --steps 9 --runs 5 --calibration-count 3 --no-plot --page"
    benchmark.main([*options.split(), "--output-dir", str(tmp_path / "out")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("method")
    summary = json.loads(lines[-1])
    rows = {(row["family"], row["scheduled_runs"]): row for row in summary["methods"]}
    assert rows[methods.UNCACHED, 9]["latents_db"]["worst"] == measures.MOST_DB
    assert rows[methods.PLAIN, 5]["schedule"] == "CCCCC"
    native = rows[methods.NATIVE, 5]
    assert native["runs"] == 5
    assert 0 < native["latents_db"]["worst"] <= native["latents_db"]["mean"] < 100
    assert len(summary["mag_ratios"]) == 9
    folder = tmp_path / "out"
    detailed = json.loads((folder / "quality.json").read_text())
    assert len(detailed["methods"][0]["prompts"]["psnr_db"]) == 2
    plans = read_plans(SimpleNamespace(path=folder, fingerprint=pipeline.folder.fingerprint))
    assert [learned.plan.transformer_runs for learned in plans] == [5]
    spread_5 = rows[methods.SPREAD, 5]
    assert spread_5["schedule"].count("C") == 5
    page = (folder / "quality.html").read_text()
    assert page.count("<article") == 2
    assert all(prompt in page for prompt in measures.Task(*_two_prompts()).prompts)


def _two_prompts():
    scenes = choose_scenes(2, 1000)
    return [scene.caption() for scene in scenes], [1000, 1001]


@pytest.mark.native
def test_openvino_genai_draws_what_native_order_1_draws(pipeline):
    native = Text2ImagePipeline(demo_model_path(), backend="native", **F32)
    task = measures.Task([PROMPT], [3])
    config = methods.native_config(9, 5)
    by_python, by_genai = (
        methods.Method(family, "", config, 9, 5) for family in (methods.NATIVE, methods.GENAI)
    )
    rows, examples = measures.run_benchmark(
        pipeline, native, task, [by_python, by_genai], 9, None, lambda line: None
    )
    assert rows[1]["psnr_db"] == rows[2]["psnr_db"]
    assert rows[2]["latents_db"] is None
    assert [shown.family for shown in examples[0].pictures] == [row["family"] for row in rows]
