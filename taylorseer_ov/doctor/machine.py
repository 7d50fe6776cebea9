"""What this machine has: packages, devices, disk; and what is known of its kind of devices."""

from __future__ import annotations

import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..flux.compiled_models import compiled_folder, is_kept_for, kept_bytes
from ..flux.devices import bits_of
from ..flux.one_thread import computes_in_one_thread
from ..genai import CACHING_ON_SINCE, missing_in_version
from ..generation.memory import available_bytes
from ..version import installed_version, release
from .finding import Finding

PACKAGES = ("openvino", "openvino-tokenizers", "openvino-genai")
OLDEST = (2025, 4)
GIGABYTE = 10**9
UPGRADE = "pip install -U openvino openvino-tokenizers openvino-genai"
FLOATS = {"f16": "float16", "bf16": "bfloat16", "f32": "float32"}


@dataclass(frozen=True)
class Device:
    """A device as OpenVINO describes it.

    Attributes:
        name: what a pipeline is given: `"CPU"`, `"GPU.0"`, `"NPU"`.
        full_name: its `FULL_DEVICE_NAME`.
        capabilities: its `OPTIMIZATION_CAPABILITIES`.
        precision: its `INFERENCE_PRECISION_HINT`: what it computes in unless told otherwise.
    """

    name: str
    full_name: str
    capabilities: tuple[str, ...] = ()
    precision: str | None = None


@dataclass(frozen=True)
class Machine:
    """What an examination looks at, apart from the model.

    Attributes:
        python: its version.
        versions: of the packages, None where one is not installed.
        devices: those that OpenVINO finds.
        device_error: why it could not be asked.
        free_disk: bytes that are free where a path lies.
        free_memory: bytes of memory that are free, None if that is not known.
        one_thread: whether the processor computes in bfloat16 with one thread.
        long_paths: whether paths may have more than 260 characters.
        kept_bytes: what compiled models take that are kept for GPUs.
    """

    python: str
    versions: Mapping[str, str | None]
    devices: tuple[Device, ...]
    device_error: str | None = None
    free_disk: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
    free_memory: Callable[[], int | None] = available_bytes
    one_thread: bool = False
    long_paths: bool = True
    kept_bytes: int = 0

    @property
    def precision_bits(self) -> int:
        """Width of the numbers that the processor computes in unless told otherwise."""
        return bits_of(self.devices[0].precision) if self.devices else 32

    @classmethod
    def look(cls) -> Machine:
        """Look at this one. Of the packages, only openvino is imported."""
        devices, error = _find_devices()
        versions = {package: installed_version(package) for package in PACKAGES}
        one_thread = error is None and computes_in_one_thread("CPU", {})
        python, long_paths = platform.python_version(), _may_be_long()
        return cls(
            python,
            versions,
            devices,
            error,
            one_thread=one_thread,
            long_paths=long_paths,
            kept_bytes=kept_bytes(),
        )


def _find_devices() -> tuple[tuple[Device, ...], str | None]:
    try:
        import openvino as ov

        core = ov.Core()
        names = core.available_devices
    except Exception as error:  # a broken installation fails in many ways
        return (), f"{type(error).__name__}: {error}"

    def ask(name: str, what: str) -> Any:
        try:
            return core.get_property(name, what)
        except Exception:  # drivers differ in what they can tell
            return None

    return tuple(
        Device(
            name=name,
            full_name=str(ask(name, "FULL_DEVICE_NAME") or name).strip(),
            capabilities=tuple(map(str, ask(name, "OPTIMIZATION_CAPABILITIES") or ())),
            precision=_type_name(ask(name, "INFERENCE_PRECISION_HINT")),
        )
        for name in names
    ), None


def _type_name(element_type: Any) -> str | None:
    return element_type.to_string() if hasattr(element_type, "to_string") else None


# --- packages ------------------------------------------------------------------------------------


def check_packages(machine: Machine) -> Iterator[Finding]:
    """Look at the versions of Python and of the packages, and at how they fit together."""
    yield Finding("python", "ok", machine.python)
    runtime = machine.versions["openvino"]
    for package in PACKAGES:
        version = machine.versions[package]
        module = package.replace("-", "_")
        if package == "openvino-genai":
            missing = missing_in_version(version)
            if missing:
                text = f"{missing}; the Python backend draws everything without it"
                yield Finding(module, "warning", text, f"for the native backend: {UPGRADE}")
                continue
        if version is None:
            yield Finding(module, "problem", f"{module} is not installed", UPGRADE)
        elif not release(version):
            text = f"{module} has an unknown version {version!r}"
            yield Finding(module, "warning", text, UPGRADE)
        elif release(version) < OLDEST:
            text = f"{module} {version} is older than {'.'.join(map(str, OLDEST))}"
            yield Finding(module, "problem", text, UPGRADE)
        elif runtime and release(runtime) != release(version):
            text = f"{module} {version} was built for another openvino than {runtime}"
            yield Finding(module, "problem", f"{text}, and will hardly load", UPGRADE)
        elif runtime and release(runtime, 3) != release(version, 3):
            text = f"{module} {version} differs from openvino {runtime} in the third number"
            yield Finding(module, "warning", f"{text}, which may keep it from loading", UPGRADE)
        else:
            extra = _native_caching(version) if package == "openvino-genai" else ""
            yield Finding(module, "ok", version + extra)


def _native_caching(version: str) -> str:
    on = release(version) >= CACHING_ON_SINCE
    return f", with TaylorSeer caching, {'on' if on else 'off'} in its own pipelines by default"


# --- devices -------------------------------------------------------------------------------------


class Weights(NamedTuple):
    """A transformer's weights: as in `"int8"`, and how many bytes of them."""

    stored_in: str
    bytes: int


@dataclass(frozen=True)
class KnownTrouble:
    """Trouble that people have met with a kind of device.

    Attributes:
        pattern: regular expression found in its name or full name.
        text, remedy: what they saw, and what helped.
        weights: what the transformer's weights are stored in, None for anything.
        least_bytes: of the transformer.
    """

    pattern: str
    text: str
    remedy: str
    weights: str | None = None
    least_bytes: int = 0

    def concerns(self, device: Device, weights: Weights | None) -> bool:
        """Whether it may come up with this device and model; without a model, with some model."""
        if not re.search(self.pattern, f"{device.name} {device.full_name}"):
            return False
        return weights is None or (
            self.weights in (None, weights.stored_in) and weights.bytes >= self.least_bytes
        )


KNOWN_TROUBLE = (
    # reported to openvino.genai and openvino_notebooks; the remedy is a user's
    KnownTrouble(
        r"Iris|UHD Graphics",
        "pictures of models with int4 weights are often black or blurred on this kind of GPU",
        "--device text=CPU,transformer=GPU,vae=CPU --precision f32",
        weights="int4",
    ),
    # reported to openvino.genai
    KnownTrouble(
        r"\(iGPU\)",
        "float16 weights of FLUX.1 take 24 GB of the memory that this GPU shares with the system, "
        "and a step can take minutes",
        "export the model with --weight-format int8 or int4",
        weights="float16",
        least_bytes=8 * GIGABYTE,
    ),
    # from the documentation of OpenVINO Model Server
    KnownTrouble(
        r"\bNPU\b|AI Boost",
        "Flux is not known to run on NPUs: they need fixed shapes (`reshape`), and OpenVINO's own "
        "image generation leaves Flux out there",
        "draw on the CPU or a GPU",
    ),
)


def check_devices(machine: Machine, weights: Weights | None) -> Iterator[Finding]:
    """Look at each device, and at what it may do to a transformer with these weights."""
    if machine.device_error:
        text = f"OpenVINO cannot be asked for its devices: {machine.device_error}"
        yield Finding("devices", "problem", " ".join(text.split()), UPGRADE)
    for device in machine.devices:
        name = f"device {device.name}"
        can = f", can do {' '.join(device.capabilities)}" if device.capabilities else ""
        yield Finding(name, "ok", device.full_name + can)
        reduced = device.precision in ("f16", "bf16")
        if reduced and device.name.startswith("CPU"):
            text = (
                f"computes in {FLOATS[device.precision or '']} unless told otherwise, so that its "
                "pictures differ a little from those of other machines and of float32"
            )
            yield Finding(name, "warning", text, "--precision f32, at some cost in speed")
            if machine.one_thread:
                text = (
                    "has one thread here, with which text encoders in bfloat16 end the process on "
                    "processors with AMX; they are compiled in float32, the other parts are not"
                )
                yield Finding(name, "warning", text, "--precision f32, or two processors")
        elif reduced:
            text = f"computes in {FLOATS[device.precision or '']} unless told otherwise"
            yield Finding(name, "ok", text, "--precision f32 to compare pictures with a CPU's")
        for known in KNOWN_TROUBLE:
            if known.concerns(device, weights):
                yield Finding(name, "warning", known.text, known.remedy)


# --- disk ----------------------------------------------------------------------------------------


def check_disk(machine: Machine) -> Iterator[Finding]:
    """Look at the space for pictures and for the native backend's files, and at long paths."""
    for path, remedy in (
        (Path.cwd(), "make room, or write pictures elsewhere"),
        (Path(tempfile.gettempdir()), "make room, or set TMPDIR to a folder elsewhere"),
    ):
        free = machine.free_disk(path)
        text = f"{free / GIGABYTE:.1f} GB free in {path}"
        if free < GIGABYTE:
            yield Finding("disk", "warning", text, remedy)
        else:
            yield Finding("disk", "ok", text)
    if machine.kept_bytes or any(is_kept_for(device.name) for device in machine.devices):
        text = f"{machine.kept_bytes / GIGABYTE:.1f} GB kept for GPUs in {compiled_folder()}"
        yield Finding("compiled models", "ok", text, 'CACHE_DIR="" keeps none; it may be removed')
    if not machine.long_paths:
        text = "Windows takes no path of more than 260 characters, of models and pictures neither"
        yield Finding("paths", "warning", text, "switch on LongPathsEnabled in its registry")


def _may_be_long() -> bool:
    """Whether the system takes paths of more than 260 characters; Windows has a switch for it."""
    if sys.platform != "win32":
        return True
    import winreg

    try:
        place = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:  # Windows before 10
        return False
