"""Everything that made a picture, kept inside it, so that the same picture can be made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..caching.config import TaylorSeerCacheConfig
from ..caching.error_control import ErrorControl
from ..caching.plan import CachePlan
from ..checks import exact_names, of_kind, whole_number
from ..flux.sampling import first_step
from ..generation.environment import Environment
from ..generation.job import Job, Preparing
from ..generation.report import GenerationReport
from ..generation.settings import ImageGenerationConfig
from ..warning import collected_warnings
from .formats import read_texts
from .texts import MOST_TEXT, PARAMETERS_KEY, RECIPE_KEY

RECIPE_FORMAT = "taylorseer_ov.Recipe/2"
FIRST_FORMAT = "taylorseer_ov.Recipe/1"
NEW_IN_SECOND = {"keep_unmasked": False}  # settings, as they were before there were any
OBJECTS = ("generator", "adapters")  # settings that a picture cannot hold
# of the fields that are values of JSON
KINDS = {"prompt": str, "inputs": dict, "own_noise": bool, "interrupted": bool, "report": dict}


class RecipeError(ValueError):
    """A picture or text that holds no recipe, or none that can be followed; says why."""


@dataclass(frozen=True)
class Recipe:
    """How one picture was made.

    Attributes:
        prompt: for CLIP, and for T5 if `asked.prompt_2` is None.
        asked: the settings. A `cache` that is a text describes what was asked for: a preset, a
            plan's file, a plan, a policy of the caller's. Generator and adapters are left out.
        inputs: sha256 of the pictures it started from, `"image"` and `"mask"`, as they were used.
        index: which of the pictures drawn at once it is.
        plan: which steps ran the transformer and what the others used, None if a policy decided.
        own_noise: whether a generator of the caller's drew the noise, which is then not known.
        interrupted: whether it was stopped before its last step.
        environment: what drew it.
        report: `GenerationReport.to_dict()`.
    """

    prompt: str
    asked: ImageGenerationConfig
    inputs: Mapping[str, str]
    index: int
    plan: CachePlan | None
    own_noise: bool
    interrupted: bool
    environment: Environment
    report: Mapping[str, Any]

    @classmethod
    def of(cls, job: Job, report: GenerationReport, environment: Environment) -> Recipe:
        """Record a generation; the recipe is that of its first picture."""
        cache = job.settings.cache
        # as JSON has it, with lists for tuples: a recipe that is read again equals this one
        account = json.loads(report.to_json())
        if isinstance(cache, str):
            if cache == job.cache_name:  # a plan's file: its path is nobody's business
                account["cache"] = Path(cache).name
            cache = Path(cache).name
        elif not isinstance(cache, TaylorSeerCacheConfig | ErrorControl | None):
            cache = job.cache_name
        return cls(
            prompt=job.prompt,
            asked=replace(job.settings, cache=cache, generator=None, adapters=None),
            inputs={} if job.initial is None else job.initial.digests(),
            index=0,
            plan=job.cache if isinstance(job.cache, CachePlan) else None,
            own_noise=job.settings.generator is not None,
            interrupted=report.interrupted,
            environment=environment,
            report=account,
        )

    def at(self, index: int) -> Recipe:
        """The recipe of another of the pictures drawn at once."""
        return replace(self, index=index)

    @property
    def seed(self) -> int | None:
        """The seed of the noise, None if a generator of the caller's drew it."""
        return None if self.own_noise else self.asked.rng_seed

    # --- again ---

    def settings(self) -> dict[str, Any]:
        """Return what `generate` takes to draw this picture again, the prompt included.

        It is number `index` of the pictures that come out. A preset or a plan's file is given as
        the plan it was then, whatever has become of it. The pictures in `inputs`, which it does not
        hold, are needed too.

        Raises:
            RecipeError: if a generator or a policy of the caller's made it.
        """
        if self.own_noise:
            raise RecipeError(
                "the noise of this picture came from a generator of the caller's, which a picture "
                "does not hold; it cannot be drawn again"
            )
        settings = {field.name: getattr(self.asked, field.name) for field in fields(self.asked)}
        for name in OBJECTS:
            del settings[name]
        if isinstance(self.asked.cache, str):
            if self.plan is None:
                raise RecipeError(
                    f"this picture was drawn with a cache policy of the caller's, "
                    f"{self.asked.cache}, which a picture does not hold; it cannot be drawn again"
                )
            settings["cache"] = self.plan
        return {"prompt": self.prompt} | settings

    def differences(self, pipeline: Preparing, *pictures: Any) -> list[str]:
        """Say in sentences why this pipeline would not draw the same picture; empty if it would.

        Args:
            pictures: the picture to start from and the mask, if they are to be compared too.
        """
        sentences = []
        if self.interrupted:
            sentences.append("it was stopped before its last step, here all steps are taken")
        try:
            with collected_warnings():  # and told to nobody: a job is prepared only to compare
                settings = self.settings()
                job = pipeline.prepare(settings.pop("prompt"), *pictures, **settings)
            here = pipeline.environment(job)
        except (RuntimeError, TypeError, ValueError) as error:
            return [*sentences, f"it cannot be drawn here: {error}"]
        if pictures and job.initial is not None:
            sentences += self._other_inputs(job.initial.digests())
            if not self.inputs:  # what encodes pictures was not there
                weights = {part: here.weights.get(part, "") for part in self.environment.weights}
                here = replace(here, weights=weights)
        return sentences + self.environment.differences(here)

    def _other_inputs(self, given: Mapping[str, str]) -> list[str]:
        sentences = []
        for name, described in {"image": "a picture", "mask": "a mask"}.items():
            before, now = self.inputs.get(name), given.get(name)
            if before is None and now is not None:
                sentences.append(f"it was drawn without {described}, here there is one")
            elif now is None and before is not None:
                sentences.append(f"it was drawn with {described}, here there is none")
            elif before != now:
                sentences.append(f"it was drawn from another {described.removeprefix('a ')}")
        return sentences

    # --- as text ---

    def texts(self) -> dict[str, str]:
        """Return the texts that a file of the picture holds, by their names."""
        return {PARAMETERS_KEY: self.parameters_text(), RECIPE_KEY: self.to_json()}

    def parameters_text(self) -> str:
        """Return the text that AUTOMATIC1111's web UI and many other programs read.

        Source: `create_infotext` of stable-diffusion-webui's `processing.py`.
        """
        asked, environment = self.asked, self.environment
        values = {
            "Steps": asked.num_inference_steps,
            "Sampler": "Euler",
            "CFG scale": f"{asked.guidance_scale:g}",
            "Seed": self.seed,
            "Size": f"{asked.width}x{asked.height}",
            "Model hash": environment.weights.get("transformer", "").rpartition("-")[2][:10],
            "Model": environment.model,
            "Version": f"taylorseer_ov {environment.versions.get('taylorseer_ov')}",
        }
        given = {name: _quoted(value) for name, value in values.items() if value is not None}
        line = ", ".join(f"{name}: {value}" for name, value in given.items())
        # what texts in pictures do not hold: control characters, halves of surrogate pairs
        prompt = "".join(
            letter if letter.isprintable() or letter == "\n" else " " for letter in self.prompt
        )
        return f"{prompt}\n{line}"

    def to_json(self) -> str:
        """Return the recipe as JSON in ASCII."""
        asked = {name: value for name, value in vars(self.asked).items() if name not in OBJECTS}
        if isinstance(self.asked.cache, TaylorSeerCacheConfig | ErrorControl):
            asked["cache"] = asdict(self.asked.cache)
        values = vars(self) | {
            "asked": asked,
            "plan": self.plan and json.loads(self.plan.to_json()),
            "environment": vars(self.environment),
        }
        return json.dumps({"format": RECIPE_FORMAT} | values)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Build from what `to_json` wrote. Nothing in the text is believed unchecked.

        Raises:
            RecipeError: if it is no recipe, a damaged one, or of another version.
        """
        if len(text) > MOST_TEXT:
            raise RecipeError(f"no recipe is longer than {MOST_TEXT} characters")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError(f"no recipe, but text that is not JSON ({error})") from None
        found = values.pop("format", None) if isinstance(values, dict) else None
        name, _, version = str(found).rpartition("/")
        if name != RECIPE_FORMAT.rpartition("/")[0]:
            raise RecipeError(f"no recipe: its 'format' is not {RECIPE_FORMAT!r}")
        if found not in (RECIPE_FORMAT, FIRST_FORMAT):
            raise RecipeError(
                f"a recipe of format {version!r:.20}, which this version of taylorseer_ov does not "
                f"know ({RECIPE_FORMAT}); a newer one wrote it: install that one"
            )
        try:
            if found == FIRST_FORMAT:
                values["asked"] |= NEW_IN_SECOND
            return cls._from_dict(values)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise RecipeError(f"a damaged recipe: {error}") from None

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> Recipe:
        exact_names("recipe", values, [field.name for field in fields(cls)])
        names = [f.name for f in fields(ImageGenerationConfig) if f.name not in OBJECTS]
        exact_names("settings", values["asked"], names)
        asked = ImageGenerationConfig().updated(values["asked"])
        plan = _plan_of(values["plan"], asked)
        for name, kind in KINDS.items():
            of_kind(name, values[name], kind)
        return cls(
            **{name: values[name] for name in KINDS},
            asked=asked,
            index=whole_number("index", values["index"], 0, asked.num_images_per_prompt - 1),
            plan=plan,
            environment=Environment.from_dict(values["environment"]),
        )

    @classmethod
    def from_picture(cls, path: str | Path) -> Recipe:
        """Read the recipe that a picture holds.

        Raises:
            OSError: if the file cannot be read.
            RecipeError: if it is no PNG, JPEG or WebP file, or holds no recipe that can be read; if
                it holds the text of another program, the message has it.
        """
        try:
            texts = read_texts(path)
        except ValueError as error:
            raise RecipeError(str(error)) from None
        text = texts.get(RECIPE_KEY)
        if text is None:
            other = texts.get(PARAMETERS_KEY)
            told = "and no other text" if other is None else f"but this text: {other!r:.500}"
            raise RecipeError(f"{path} holds no recipe of taylorseer_ov, {told}")
        try:
            return cls.from_json(text)
        except RecipeError as error:
            raise RecipeError(f"{path} holds {error}") from None


def _plan_of(values: Any, asked: ImageGenerationConfig) -> CachePlan | None:
    """Build a stranger's plan, once it is sure to be as long as what was asked for."""
    if values is None:
        return None
    steps = asked.num_inference_steps
    taken = steps - first_step(steps, asked.strength)
    of_kind("its plan", values, dict)
    mask = values.get("mask")
    if not isinstance(mask, str) or len(mask) != taken:
        raise ValueError(f"its plan has not {taken} steps")
    return CachePlan.from_json(json.dumps(values))


def _quoted(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if set(text) & set(',:\n"') else text
