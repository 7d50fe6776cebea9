"""`taylorseer-ov info`: how a picture was made, or what a model folder is."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import Console, MisuseError, printable

if TYPE_CHECKING:
    from ..doctor.model_summary import ModelSummary, PartSummary
    from ..pictures.recipe import Recipe


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info", help="show how a picture was made, or what a model folder is"
    )
    parser.add_argument(
        "path", metavar="PICTURE|MODEL", help="a PNG, JPEG or WebP file, a folder, or 'demo'"
    )
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Show."""
    from ..files import similar_folder
    from ..flux.folder import demo_model_path

    path = Path(arguments.path)
    if path.is_dir() or (arguments.path == "demo" and not path.exists()):
        _show_model(path if path.is_dir() else demo_model_path(), console)
    elif path.is_file():
        _show_picture(path, console)
    else:
        meant = similar_folder(path, "demo")
        raise MisuseError(
            f"there is no picture or model folder {arguments.path!r}{meant}; nothing is "
            "downloaded to be shown"
        )


def _show_picture(path: Path, console: Console) -> None:
    from ..pictures.recipe import Recipe

    recipe = Recipe.from_picture(path)
    console.event("recipe", path=str(path), recipe=json.loads(recipe.to_json()))
    for line in _describe_recipe(recipe):
        console.say(printable(line))


def _describe_recipe(recipe: Recipe) -> list[str]:
    asked, environment = recipe.asked, recipe.environment
    several = asked.num_images_per_prompt > 1
    cache = "none" if asked.cache is None else asked.cache
    return [
        f"prompt      {recipe.prompt}",
        *([] if asked.prompt_2 is None else [f"prompt 2    {asked.prompt_2}"]),
        f"seed        {'of a generator, not known' if recipe.seed is None else recipe.seed}",
        *([f"number      {recipe.index + 1} of {asked.num_images_per_prompt}"] if several else []),
        f"size        {asked.width}x{asked.height}",
        f"steps       {asked.num_inference_steps}{', interrupted' if recipe.interrupted else ''}",
        f"guidance    {asked.guidance_scale:g}",
        *([f"strength    {asked.strength:g}"] if recipe.inputs else []),
        *(f"from {name:6} {digest}" for name, digest in recipe.inputs.items()),
        f"text        {asked.max_sequence_length} tokens at most",
        f"cache       {cache}",
        f"schedule    {recipe.report.get('schedule')}   (C: transformer run, .: forecast)",
        f"seconds     {_rounded(recipe.report.get('total_s'))}",
        f"backend     {environment.backend}, noise of {environment.noise}",
        f"model       {environment.model}, {environment.weights.get('transformer')}",
        f"devices     {_pairs(environment.devices)}",
        f"processors  {_pairs(environment.processors)}",
        f"properties  {_pairs(environment.properties)}",
        f"versions    {_pairs(environment.versions)}",
    ]


def _rounded(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)


def _pairs(values: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "none"


def _show_model(path: Path, console: Console) -> None:
    from ..doctor.model_summary import summarize

    summary = summarize(path)
    console.event("model", **asdict(summary))
    for line in _describe_model(summary):
        console.say(line)


def _describe_model(summary: ModelSummary) -> list[str]:
    guidance = "with" if summary.guidance_embeds else "without"
    plans = summary.plans
    if isinstance(plans, str):
        told = [f"cache plans: {plans}"]
    elif not plans:
        told = ["cache plans: none; `taylorseer-ov calibrate` makes them"]
    else:
        told = ["cache plans, with their likeness to uncached pictures and that of Taylor plans:"]
        for source in dict.fromkeys(plan["source"] for plan in plans):
            told.append(f"  in {source}:")
            told += [_describe_plan(plan) for plan in plans if plan["source"] == source]
    return [
        f"{summary.path}: {summary.pipeline_class}, {guidance} a guidance scale",
        *(_describe_part(name, part) for name, part in summary.parts.items()),
        f"defaults: {_pairs(summary.defaults)}",
        *told,
    ]


def _describe_part(name: str, part: PartSummary) -> str:
    constants = sum(part.precisions.values())
    shares = {kind: size / constants for kind, size in part.precisions.items()}
    told = ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items() if share >= 0.005)
    return f"  {name:15} {part.size / 1e6:9.1f} MB  {told:18} {part.fingerprint}"


def _describe_plan(plan: dict[str, Any]) -> str:
    return (
        f"  {plan['width']}x{plan['height']}, {plan['steps']} steps, {plan['transformer_runs']:2} "
        f"runs  {plan['schedule']}  {plan['held_out_db']:.1f} dB, {plan['taylor_db']:.1f} dB"
    )
