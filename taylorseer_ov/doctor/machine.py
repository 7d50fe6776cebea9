"""What this machine has: packages, devices, disk."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
