"""The quality benchmark: the policies it compares with, its targets, its page, a short run."""

import json
import re

import numpy as np
import pytest
from conftest import F32, PROMPT

import benchmark_quality as benchmark
from cache_policies import EasyCache, MagCache, Recording
from quality_page import Example, Shown, build_page
from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.policy import CachePolicy, NotFiniteError
from taylorseer_ov.sampling import euler

SIGMAS = np.append(np.linspace(1, 1 / 28, 28), 0).astype(np.float32)
NOISE = np.random.default_rng(0).standard_normal((1, 4, 6)).astype(np.float32)
CONSTANT = np.random.default_rng(1).standard_normal(NOISE.shape).astype(np.float32)


def curved(latents, sigma):
    return np.sin(3 * latents) + sigma * CONSTANT


def moves_with_the_latents(latents, sigma):
    return latents + CONSTANT


def stands_still(latents, sigma):
    return CONSTANT


def sample(policy, velocity, sigmas=SIGMAS):
    """Return the final latents and the mask as text."""
    stand_in = policy.start(velocity, sigmas)
    *_, final = euler(stand_in, NOISE, sigmas)
    return final, "".join("C" if runs else "." for runs in stand_in.mask)


def uncached(velocity):
    *_, final = euler(velocity, NOISE, SIGMAS)
    return final


# --- policies ---


@pytest.mark.parametrize("policy", [EasyCache(), MagCache((1.0,)), Recording()])
def test_are_cache_policies(policy):
    assert isinstance(policy, CachePolicy)


@pytest.mark.parametrize("cached", ["output", "residual"])
def test_easy_cache_without_threshold_computes_every_step(cached):
    final, mask = sample(EasyCache(0, cached=cached), curved)
    assert mask == "C" * 28
    assert np.array_equal(final, uncached(curved))


@pytest.mark.parametrize(
    ("policy", "velocity"),
    [
        (EasyCache(1e9), moves_with_the_latents),
        (EasyCache(1e9, cached="output"), stands_still),
        (MagCache((1.0,), max_skip_steps=99), stands_still),
        (MagCache((1.0,), max_skip_steps=99, cached="residual"), moves_with_the_latents),
    ],
)
def test_policies_are_exact_where_their_forecast_is(policy, velocity):
    final, mask = sample(policy, velocity)
    assert mask[6:-1] == "." * 21
    np.testing.assert_allclose(final, uncached(velocity), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("steps", "mask"), [(28, "CCCCCC" + 21 * "." + "C"), (9, "CC......C")])
def test_easy_cache_computes_the_first_steps_and_the_last(steps, mask):
    sigmas = np.linspace(1, 0, steps + 1).astype(np.float32)
    assert sample(EasyCache(1e9), curved, sigmas)[1] == mask


def test_easy_cache_runs_more_often_the_lower_its_threshold():
    runs = [sample(EasyCache(tau), curved)[1].count("C") for tau in (0.01, 0.1, 0.5, 1e9)]
    assert runs == sorted(runs, reverse=True)
    assert runs[0] > runs[-1]


def test_mag_cache_skips_what_keeps_its_magnitude():
    assert sample(MagCache((1.0,), threshold=0), curved)[1] == "CCCCCC" + "...C" * 5 + ".."
    ratios = (1.0, *([0.95] * 27))
    assert sample(MagCache(ratios, threshold=0.04), curved)[1] == "C" * 28
    # 0.05 and 0.05 + 0.0975 accumulate
    assert sample(MagCache(ratios, threshold=0.1), curved)[1] == "CCCCCC" + ".C" * 11
    assert sample(MagCache(ratios, threshold=0.15), curved)[1][6:12] == "..C..C"


def test_mag_cache_takes_its_ratios_from_full_runs():
    recordings = []
    for _ in range(2):
        recordings.append(Recording())
        _, mask = sample(recordings[-1], lambda latents, sigma: sigma * CONSTANT)
        assert mask == "C" * 28
    assert np.array_equal(recordings[0].inputs[0], NOISE)
    ratios = MagCache.calibrate(recordings, threshold=0.2).ratios
    np.testing.assert_allclose(ratios, [1, *(SIGMAS[1:-1] / SIGMAS[:-2])], rtol=1e-5)
    assert MagCache.calibrate(recordings, cached="residual").ratios != ratios
    with pytest.raises(ValueError, match="one number of steps"):
        MagCache.calibrate([])
    with pytest.raises(RuntimeError, match="one generation"):
        sample(recordings[0], curved)


def test_mag_cache_takes_the_nearest_ratio_for_other_numbers_of_steps():
    sigmas = np.linspace(1, 0, 11).astype(np.float32)
    policy = MagCache((1.0, 1.0, 1.0, 2.0, 1.0, 1.0), threshold=0.1, max_skip_steps=99)
    assert sample(policy, curved, sigmas)[1] == "CC...CC..."


@pytest.mark.parametrize("policy", [EasyCache(1e9, cached="output"), MagCache((1.0,))])
def test_policies_refuse_nonsense(policy):
    stand_in = policy.start(stands_still, np.array([1, 0.5, 0]))
    for sigma in (1, 0.5):
        stand_in(NOISE, sigma)
    with pytest.raises(RuntimeError, match="2 steps are done"):
        stand_in(NOISE, 0)
    with pytest.raises(NotFiniteError, match="step 0"):
        policy.start(lambda latents, sigma: latents * np.nan, SIGMAS)(NOISE, 1)


def test_a_forecast_that_is_not_finite_is_not_used():
    policy = MagCache((1.0,), retention_ratio=0, cached="residual")
    stand_in = policy.start(stands_still, SIGMAS)
    stand_in(NOISE, 1)
    assert np.array_equal(stand_in(np.full_like(NOISE, np.inf), 0.9), CONSTANT)
    assert stand_in.mask == [True, True]
    assert stand_in.rescued == [1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EasyCache(-1), "threshold"),
        (lambda: EasyCache(first_share=2), "first_share"),
        (lambda: EasyCache(cached="input"), "cached"),
        (lambda: MagCache(()), "ratios"),
        (lambda: MagCache((1.0,), max_skip_steps=0), "max_skip_steps"),
        (lambda: MagCache((1.0,), retention_ratio=-1), "retention_ratio"),
    ],
)
def test_policies_check_their_values(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_policies_draw_with_the_pipeline(pipeline):
    plain = pipeline.generate(PROMPT, num_inference_steps=4)
    easy = pipeline.generate(PROMPT, num_inference_steps=4, cache=EasyCache(0))
    assert np.array_equal(plain.data, easy.data)
    reused = pipeline.generate(PROMPT, num_inference_steps=4, cache=EasyCache(1e9))
    assert reused.report.schedule == "CC.C"


# --- methods and targets ---


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
    config = benchmark.native_config(steps, runs)
    assert benchmark.setting_of(config) == setting
    assert sum(benchmark.step_schedule(config, steps)) == runs


def row(family, runs, mean, worst=None, setting="", scheduled=True):
    return {
        "family": family,
        "setting": setting,
        "scheduled_runs": runs if scheduled else None,
        "runs": float(runs),
        "latents_db": {"mean": mean, "worst": mean - 5 if worst is None else worst},
        "psnr_db": {"mean": mean + 6, "worst": mean},
        "ssim": {"mean": 0.99, "worst": 0.9},
        "right": 0.5,
        "schedule": "CC.C",
        "schedules": 1,
    }


def decided(family, setting, runs, mean):
    return row(family, runs, mean, setting=setting, scheduled=False)


ROWS = [
    row(benchmark.PLAIN, 6, 20),
    row(benchmark.NATIVE, 14, 40),
    row(benchmark.NATIVE, 11, 36),
    row(benchmark.NATIVE, 10, 34),
    row(benchmark.NATIVE, 8, 30),
    row(benchmark.CORRECTED_SIGMA, 14, 41),
    row(benchmark.CORRECTED_SIGMA, 11, 37),
    row(benchmark.CORRECTED_SIGMA, 10, 35),
    row(benchmark.CORRECTED_STEP, 14, 44),
    row(benchmark.CORRECTED_STEP, 11, 39),
    row(benchmark.CORRECTED_STEP, 10, 33.7),
    row(benchmark.CALIBRATED, 14, 50, worst=34),
    row(benchmark.CALIBRATED, 10, 41),
    row(benchmark.CALIBRATED, 8, 33),
    row(benchmark.CALIBRATED, 6, 28),
    decided(benchmark.CONTROLLED, "low", 15.5, 60),
    decided(benchmark.CONTROLLED, "middle", 10.5, 36.5),
    decided(benchmark.CONTROLLED, "high", 7.0, 29),
]


def test_targets_on_hand_made_numbers():
    found = {t["target"]: (t["value"], t["passed"]) for t in benchmark.evaluate_targets(ROWS)}
    assert found == {
        "corrected, step: mean gain over native at 14, 11 and 10 runs": (
            pytest.approx(6.7 / 3),
            True,
        ),
        "corrected, step: lowest gain over native at 14, 11 and 10 runs": (
            pytest.approx(-0.3),
            False,
        ),
        "corrected, sigma: mean gain over native at 14, 11 and 10 runs": (1, True),
        "corrected, sigma: lowest gain over native at 14, 11 and 10 runs": (1, True),
        "calibrated: gain over native at 14 runs": (10, True),
        "calibrated: gain over native at 10 runs": (7, True),
        "calibrated: gain over native at 8 runs": (3, False),
        "calibrated at 10 runs: gain over native at 14": (1, True),
        "calibrated at 8 runs: gain over native at 10": (-1, False),
        "calibrated at 6 runs: gain over plain sampling in 6 steps": (8, True),
        "calibrated at 14 runs: worst prompt, gain over native's worst": (-1, False),
        "error control, middle, 10.5 runs: gain over native at 11": (0.5, True),
        "error control, high, 7.0 runs: gain over native at 8": (-1, False),
    }


def test_a_target_without_its_figures_is_neither_met_nor_missed(capsys):
    targets = benchmark.evaluate_targets(ROWS[:3])
    assert {target["passed"] for target in targets} == {None}
    benchmark.print_targets(targets)
    assert capsys.readouterr().out.count("not measured") == len(targets)


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
    assert benchmark.spread(wanted, 2) == pytest.approx(placed)


def test_plot(tmp_path):
    path = tmp_path / "plot.png"
    benchmark.draw_plot(ROWS, path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_says_that_matplotlib_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(SystemExit):
        benchmark.main(["--quick"])
    assert "pip install matplotlib" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runs", "28"], "--runs must be from 4 to 27"),
        (["--count", "0"], "--count must be at least 1"),
        (["--prompts", "mine.txt"], "needs --calibration-prompts"),
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
        "targets": benchmark.evaluate_targets(ROWS),
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


def test_page_without_pictures_plot_and_targets():
    summary = {"model": "demo", "steps": 9, "count": 0, "methods": ROWS, "targets": None}
    page = build_page(summary, [], None)
    assert "All figures" in page
    assert "Targets" not in page


# --- a short run ---


def test_quick_run_on_the_demo_model(tmp_path, capsys):
    options = "--quick --count 2 --steps 9 --runs 5 --calibration-count 3 --no-plot --page"
    benchmark.main([*options.split(), "--output-dir", str(tmp_path / "out")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("method")
    summary = json.loads(lines[-1])
    rows = {(row["family"], row["scheduled_runs"]): row for row in summary["methods"]}
    assert rows[benchmark.UNCACHED, 9]["latents_db"]["worst"] == benchmark.MOST_DB
    assert rows[benchmark.PLAIN, 5]["schedule"] == "CCCCC"
    native = rows[benchmark.NATIVE, 5]
    assert native["runs"] == 5
    assert 0 < native["latents_db"]["worst"] <= native["latents_db"]["mean"] < 100
    assert summary["targets"] is None
    assert len(summary["mag_ratios"]) == 9
    folder = tmp_path / "out"
    detailed = json.loads((folder / "quality.json").read_text())
    assert len(detailed["methods"][0]["prompts"]["psnr_db"]) == 2
    plans = json.loads((folder / "cache_plans.json").read_text())["plans"]
    assert [plan["mask"].count("C") for plan in plans] == [5]
    page = (folder / "quality.html").read_text()
    assert page.count("<article") == 2
    assert all(prompt in page for prompt in benchmark.Task(*_two_prompts()).prompts)


def _two_prompts():
    scenes = benchmark.choose_scenes(2, 1000)
    return [scene.caption() for scene in scenes], [1000, 1001]


@pytest.mark.native
def test_openvino_genai_draws_what_native_order_1_draws(pipeline):
    native = Text2ImagePipeline(demo_model_path(), backend="native", **F32)
    task = benchmark.Task([PROMPT], [3])
    config = benchmark.native_config(9, 5)
    by_python, by_genai = (
        benchmark.Method(family, "", config, 9, 5) for family in (benchmark.NATIVE, benchmark.GENAI)
    )
    rows, examples = benchmark.run_benchmark(
        pipeline, native, task, [by_python, by_genai], 9, None, lambda line: None
    )
    assert rows[1]["psnr_db"] == rows[2]["psnr_db"]
    assert rows[2]["latents_db"] is None
    assert [shown.family for shown in examples[0].pictures] == [row["family"] for row in rows]
