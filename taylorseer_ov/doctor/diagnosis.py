"""Examine a machine and a model folder: what works, what will surprise, what helps.

No model is loaded, and nothing in a model folder is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ..caching.decision import resolve_cache
from ..caching.occasion import Occasion
from ..caching.plan import CachePlan
from ..checks import known_device
from ..flux.folder import FluxFolder, task_of
from ..genai import missing_in_version
from ..generation.memory import estimate, memory_warning
from ..generation.settings import ImageGenerationConfig, is_default_cache, model_defaults
from ..generation.setup import MemoryOptions
from ..pipelines.native_limits import settings_obstacle
from ..pipelines.task_defaults import DRAWING, FILLING
from ..warning import collected_warnings
from .device_check import check_devices
from .finding import Diagnosis, Finding, examine
from .machine import GIGABYTE, Machine, check_disk, check_packages
from .model_check import check_extras, check_folder, stored_weights


def diagnose(
    model_dir: str | Path | None = None,
    *,
    device: str | tuple[str, str, str] = "CPU",
    fix: bool = False,
    machine: Machine | None = None,
    **settings: Any,
) -> Diagnosis:
    """Examine this machine, and a model folder if one is given. Never raises for what it finds.

    Args:
        model_dir: an exported Flux folder; broken ones are what this is for.
        device: where it would run, one device or three, as for `Text2ImagePipeline`.
        fix: mend the scheduler's file if openvino_genai misreads it, keeping a backup.
        machine: what is examined instead of this machine.
        settings: of the generation that is foretold, as for `Text2ImagePipeline.generate`; the
            model's own are taken for those not given.
    """
    machine = machine or Machine.look()
    path = None if model_dir is None else Path(model_dir)
    examinations: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("packages", lambda: check_packages(machine)),
        ("devices", lambda: check_devices(machine, path if path is None else stored_weights(path))),
        ("device", lambda: _check_asked_device(machine, device)),
        ("disk", lambda: check_disk(machine)),
    ]
    if path is not None and not path.is_dir():
        text, remedy = f"there is no folder {str(path)!r}", "pass an exported Flux folder"
        examinations.append(("model", lambda: [Finding("model", "problem", text, remedy)]))
    elif path is not None:
        examinations.append(("model", lambda: check_folder(path, machine, fix=fix)))
        examinations.append(("outlook", lambda: _describe_generation(path, machine, settings)))
    return Diagnosis(
        tuple(finding for name, look in examinations for finding in _all_of(name, look))
    )


def _all_of(name: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Findings up to the end, or to an error: an examination that fails is a finding too."""
    try:
        yield from look()
    except Exception as error:
        text = f"this examination failed: {type(error).__name__}: {error}"
        yield Finding(name, "problem", " ".join(text.split()))


def _check_asked_device(machine: Machine, device: str | tuple[str, str, str]) -> Iterator[Finding]:
    available = [found.name for found in machine.devices]
    if not machine.device_error:
        for asked in dict.fromkeys([device] if isinstance(device, str) else device):
            yield examine("device asked for", partial(known_device, asked, available), asked)


def _check_memory(
    folder: FluxFolder, machine: Machine, settings: ImageGenerationConfig
) -> Iterator[Finding]:
    free_bytes = machine.free_memory()
    if free_bytes is None:
        return
    asked = folder, MemoryOptions(), settings, machine.precision_bits
    shortage = memory_warning(*asked, free_bytes)
    if shortage:
        yield Finding.of_message("memory", shortage, "warning")
    else:
        needed = estimate(*asked).peak_bytes
        text = f"about {needed / GIGABYTE:.1f} GB are needed, {free_bytes / GIGABYTE:.1f} are free"
        yield Finding("memory", "ok", text)


def _describe_generation(path: Path, machine: Machine, asked: dict[str, Any]) -> Iterator[Finding]:
    """Say what a generation would do, if the model is whole enough to tell."""
    try:
        folder = FluxFolder.read(path, task_of(path))
    except (ValueError, OSError):
        return  # said part by part already
    yield from check_extras(folder)
    try:
        usual = FILLING if folder.is_fill else DRAWING
        settings = model_defaults(folder.path, folder.defaults, usual).updated(asked)
        sigmas = folder.sigmas(settings.num_inference_steps, *settings.size)
        with collected_warnings() as caught:
            is_default = is_default_cache(settings, asked, usual)
            decision = resolve_cache(
                settings.cache, Occasion(sigmas), folder, is_default=is_default
            )
    except (TypeError, ValueError, OSError) as error:
        yield Finding.of_message("caching", error)
        return
    yield from _check_memory(folder, machine, settings)
    plan = decision.cache
    for message, _ in caught:
        yield Finding.of_message("caching", message, "warning")
    if not isinstance(plan, CachePlan):
        yield Finding("caching", "ok", f"decided while drawing by {decision.name}")
    elif not (caught and plan.is_uncached):  # of which a warning has told
        count = f"{plan.transformer_runs} of {plan.num_inference_steps} steps run the transformer"
        yield Finding("caching", "ok", f"{count}: {plan} (cache: {decision.name})")
    obstacle = missing_in_version(machine.versions["openvino-genai"]) or settings_obstacle(
        settings, folder
    )
    if obstacle:
        yield Finding("backend", "ok", f"the Python backend would draw: {obstacle}")
    else:
        yield Finding("backend", "ok", "openvino_genai would draw: it does exactly what was asked")
