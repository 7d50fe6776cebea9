"""Caching in every pipeline of Optimum Intel, with tiny models: against forecasts made by hand."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest
from PIL import Image

from taylorseer_ov import CachePlan, TaylorSeerCacheConfig, cache_report, enable_cache
from tests.common import F32, PROMPT
from tests.optimum.drawings import DRAWINGS, GUIDANCE, SIZE, STEPS, Drawing

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]

CONFIG = {
    "cache_interval": 3,
    "disable_cache_before_step": 2,
    "disable_cache_after_step": -1,
}
# of CONFIG, by the number of steps
SCHEDULES = {6: "CC..CC", 8: "CC..C..C", 15: "CC..C..C..C..CC", 17: "CC..C..C..C..C..C"}
# what forecasts can be made in, and whether the step is Euler's: the others use the step index
IN_SIGMA = {
    "FlowMatchEulerDiscreteScheduler",
    "EulerDiscreteScheduler",
    "DPMSolverMultistepScheduler",
}
EULER = {"FlowMatchEulerDiscreteScheduler", "EulerDiscreteScheduler"}


@pytest.fixture(scope="session")
def load(family_folder):
    """Return a pipeline of a class and a family; the last one is kept."""
    from optimum.intel.openvino import modeling_diffusion

    @lru_cache(maxsize=1)
    def loaded(kind, family):
        pipeline_class = getattr(modeling_diffusion, kind)
        # tiny models are slower in more threads
        properties = F32 | {"INFERENCE_NUM_THREADS": 1}
        pipeline = pipeline_class.from_pretrained(family_folder(family), ov_config=properties)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    return loaded


class Drawn:
    """A pipeline called as a `Drawing` says, and what it draws without caching."""

    def __init__(self, drawing: Drawing, pipeline) -> None:
        self.drawing, self.pipeline = drawing, pipeline
        self.part = pipeline.transformer or pipeline.unet
        self.schedule = SCHEDULES[drawing.steps]
        self.scheduler = type(pipeline.scheduler).__name__
        self.uncached, self.uncached_runs = self.draw()

    def draw(self):
        """Final latents, one array for each modality, and how often the infer request ran."""
        import torch

        request, runs = self.part.request, []

        def counted(*args, **kwargs):
            runs.append(None)
            return request(*args, **kwargs)

        self.part.request = counted
        try:
            output = self.pipeline(
                prompt=PROMPT,
                num_inference_steps=STEPS,
                generator=torch.Generator().manual_seed(0),
                output_type="latent",
                **self.drawing.settings,
            )
        finally:
            self.part.request = request
        return [value.numpy() for value in output.values() if value is not None], len(runs)

    def by_hand(self, **options):
        """The latents that forecasts made by hand lead to."""
        self.part.forward = Reference(self, **options)
        try:
            return self.draw()[0]
        finally:
            del self.part.forward


@pytest.fixture(scope="module", params=DRAWINGS, ids=str)
def drawn(request, load):
    drawing = request.param
    return Drawn(drawing, load(drawing.pipeline, drawing.family))


class Reference:
    """Stands in for a denoiser: linear forecasts and their repair, written down anew.

    Which calls belong together it knows from the table of pipelines.
    """

    def __init__(self, drawn, in_sigma=False, repair=False, swapped=False):
        self.drawn, self.in_sigma, self.repair, self.swapped = drawn, in_sigma, repair, swapped
        self.calls = 0
        self.runs = [[] for _ in range(drawn.drawing.calls)]
        self.forecasts = [{} for _ in range(drawn.drawing.calls)]

    def __call__(self, *args, **kwargs):
        step, branch = divmod(self.calls, self.drawn.drawing.calls)
        self.calls += 1
        if self.drawn.schedule[step] == "C":
            self.output = type(self.drawn.part).forward(self.drawn.part, *args, **kwargs)
            tensors = list(as_tuple(self.output))
            self.runs[branch].append((step, tensors))
            used = self.repaired(step, branch) if self.repair else tensors
            self.forecasts[branch].clear()
        else:
            source = branch - 1 if self.swapped else branch
            used = self.forecasts[branch][step] = self.line(*self.runs[source][-2:], step)
        if isinstance(self.output, Mapping):
            return type(self.output)(**dict(zip(self.output, used, strict=True)))
        return tuple(used)

    def sigma(self, step):
        return self.drawn.pipeline.scheduler.sigmas[step - self.drawn.drawing.steps - 1].item()

    def line(self, first, second, step):
        (p, before), (u, last) = first, second
        x = self.sigma if self.in_sigma else float
        share = (x(step) - x(u)) / (x(u) - x(p))
        return [b + share * (b - a) for a, b in zip(before, last, strict=True)]

    def repaired(self, step, branch):
        """Add what the forecasts of the gap just ended have left in the latents."""
        used = self.runs[branch][-1][1]
        for gap, forecast in self.forecasts[branch].items():
            width = self.sigma(gap + 1) - self.sigma(gap)
            share = width / (self.sigma(step + 1) - self.sigma(step))
            better = self.line(*self.runs[branch][-2:], gap)
            used = [u + share * (b - f) for u, b, f in zip(used, better, forecast, strict=True)]
        return used


def as_tuple(output):
    return tuple(output.values()) if isinstance(output, Mapping) else tuple(output)


def distances(left, right):
    """Largest difference for each modality, in standard deviations of the values."""
    return [np.abs(a - b).max() / b.std() for a, b in zip(left, right, strict=True)]


def form(output):
    """What a pipeline may rely on in what its denoiser returns, but for the values."""
    names = tuple(output) if isinstance(output, Mapping) else None
    return type(output), names, tuple((tensor.shape, tensor.dtype) for tensor in as_tuple(output))


def test_each_step_calls_the_denoiser_so_often(drawn):
    assert drawn.uncached_runs == drawn.drawing.calls * drawn.drawing.steps
    assert all(np.isfinite(latents).all() for latents in drawn.uncached)


def test_a_plan_of_every_step_changes_no_bit(drawn):
    with enable_cache(drawn.pipeline, CachePlan.uncached(drawn.drawing.steps)):
        latents, runs = drawn.draw()
    assert all(map(np.array_equal, latents, drawn.uncached))
    assert runs == drawn.uncached_runs


def test_forecasts_are_those_made_by_hand_until_disabled(drawn, monkeypatch):
    expected = drawn.by_hand()
    assert min(distances(expected, drawn.uncached)) > 1e-2
    forms, call = [], type(drawn.part).__call__

    def watched(part, *args, **kwargs):
        output = call(part, *args, **kwargs)
        forms.append(form(output))
        return output

    monkeypatch.setattr(type(drawn.part), "__call__", watched)
    with enable_cache(drawn.pipeline, TaylorSeerCacheConfig(**CONFIG)):
        latents, runs = drawn.draw()
        report = cache_report(drawn.pipeline)
    assert max(distances(latents, expected)) < 1e-5
    assert runs == drawn.drawing.calls * drawn.schedule.count("C")
    assert [branch.schedule for branch in report.branches] == [drawn.schedule] * drawn.drawing.calls
    first_step = forms[: drawn.drawing.calls]
    assert forms == first_step * drawn.drawing.steps
    latents, runs = drawn.draw()
    assert all(map(np.array_equal, latents, drawn.uncached))
    assert runs == drawn.uncached_runs


def test_forecasts_in_sigma_are_mended_where_the_step_is_eulers(drawn):
    euler, in_sigma = drawn.scheduler in EULER, drawn.scheduler in IN_SIGMA
    expected = drawn.by_hand(in_sigma=in_sigma, repair=euler)
    config = TaylorSeerCacheConfig(abscissa="sigma", corrector=True, **CONFIG)
    with enable_cache(drawn.pipeline, config) as enabled:
        latents, runs = drawn.draw()
    assert max(distances(latents, expected)) < 1e-5
    assert runs == drawn.drawing.calls * drawn.schedule.count("C")
    left_out = [reason.split(",")[0] for reason in enabled.report.left_out]
    assert left_out == [
        *([] if euler else ["the corrector"]),
        *([] if in_sigma else ["forecasts in sigma"]),
    ]


IN_TURN = [drawing for drawing in DRAWINGS if drawing.calls == 2]


@pytest.mark.parametrize("drawn", IN_TURN, ids=str, indirect=True)
def test_guidance_branches_are_kept_apart(drawn):
    expected, swapped = drawn.by_hand(), drawn.by_hand(swapped=True)
    with enable_cache(drawn.pipeline, TaylorSeerCacheConfig(**CONFIG)):
        latents, _ = drawn.draw()
    assert max(distances(latents, expected)) < 1e-5
    assert min(distances(swapped, expected)) > 1e-2


@pytest.mark.parametrize(
    ("scheduler", "steps"), [("PNDMScheduler", 17), ("HeunDiscreteScheduler", 15)]
)
def test_a_scheduler_may_take_more_steps_than_asked_for(scheduler, steps, load, monkeypatch):
    import diffusers

    drawing = Drawing("OVStableDiffusionPipeline", "stable_diffusion", SIZE | GUIDANCE, steps=steps)
    pipeline = load(drawing.pipeline, drawing.family)
    other = getattr(diffusers, scheduler).from_config(pipeline.scheduler.config)
    monkeypatch.setattr(pipeline, "scheduler", other)
    drawn = Drawn(drawing, pipeline)
    assert drawn.uncached_runs == steps
    with enable_cache(pipeline, TaylorSeerCacheConfig(**CONFIG)):
        latents, runs = drawn.draw()
    assert max(distances(latents, drawn.by_hand())) < 1e-5
    assert runs == drawn.schedule.count("C")


# --- samples -------------------------------------------------------------------------------------

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize("family", ["flux", "stable_diffusion"])
def test_the_picture_sample(family, family_folder, tmp_path, capsys):
    main = run_path(str(SAMPLES / "optimum_text2image.py"))["main"]
    output = tmp_path / "picture.png"
    arguments = [str(family_folder(family)), PROMPT, str(output), "--steps=8"]
    arguments += ["--width=32", "--height=32"]
    main(arguments)
    with Image.open(output) as picture:
        assert picture.size == (32, 32)
    assert "balanced: " in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(arguments)
    assert "picture.png exists" in capsys.readouterr().err


def test_the_video_sample(family_folder, tmp_path, capsys):
    main = run_path(str(SAMPLES / "optimum_video.py"))["main"]
    output = tmp_path / "video.webp"
    arguments = [str(family_folder("ltx")), PROMPT, str(output), "--steps=8"]
    main([*arguments, "--width=32", "--height=32", "--frames=9"])
    with Image.open(output) as video:
        assert (video.size, video.n_frames) == ((32, 32), 9)
    assert "balanced: " in capsys.readouterr().out
