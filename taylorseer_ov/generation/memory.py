"""How much memory a generation takes, told before loading, and how much there is.

A compiled model has its weights once, laid out for the device: floating point ones in the precision
it computes in, int8 and int4 ones as they are stored. So float16 weights double where a processor
computes in float32. The weight files stay mapped; the system takes those pages back when it needs
them, so they are not counted. Beside weights, a model takes activations: the widest ones times a
factor that was measured (`scripts/benchmarks/memory.py`). A transformer compiled for any size keeps
those of every block, one compiled for a single size, as with `low_memory`, has room for one block.
Each of its streams has its own; the weights are there once.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..flux.folder import FluxFolder
from ..flux.folder_checks import stored_bytes
from ..flux.tiling import fits_a_tile, tile_size
from .settings import ImageGenerationConfig
from .setup import MemoryOptions

PARTS = ("text_encoder", "text_encoder_2", "transformer", "vae_decoder")
FLOATING_BITS = {"f16": 16, "bf16": 16, "f32": 32, "f64": 64}

# Python, numpy and OpenVINO
BASE_BYTES = 150 * 2**20

# activations alive at once, in multiples of a token's of the transformer, of a pixel's of the VAE
STATIC_ACTIVATIONS, ACTIVATIONS_OF_A_BLOCK, VAE_ACTIVATIONS = 16, 10, 5


class MemoryWarning(UserWarning):
    """A generation is likely to need more memory than is free."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes of memory that a generation takes.

    Attributes:
        parts: what each of `PARTS` takes while it runs, weights and activations.
        peak_bytes: the most at any one time.
    """

    parts: dict[str, int]
    peak_bytes: int


def estimate(
    folder: FluxFolder,
    options: MemoryOptions,
    settings: ImageGenerationConfig,
    precision_bits: int = 32,
) -> MemoryEstimate:
    """Estimate the memory of a generation, from the model's files alone.

    A pipeline that was reshaped takes less than this says, unless with `low_memory`.

    `precision_bits` is the width of the numbers that the device computes in, 32 or 16.
    """
    weights = {part: _weight_bytes(folder.part(part), precision_bits) for part in PARTS}
    height, width = (pixels // folder.vae_scale for pixels in settings.size)
    batch = settings.num_images_per_prompt
    tokens = batch * (height * width // 4 + settings.max_sequence_length)
    if options.vae_tiling and not fits_a_tile(height, width):
        batch, (height, width) = 1, tile_size(height, width)
    pixels = batch * height * width * folder.vae_scale**2
    value_bytes = precision_bits // 8
    kept = STATIC_ACTIVATIONS
    if not options.low_memory:
        kept += ACTIVATIONS_OF_A_BLOCK * folder.transformer_blocks
    activations = {
        "transformer": options.streams * kept * tokens * folder.transformer_width * value_bytes,
        "vae_decoder": VAE_ACTIVATIONS * pixels * folder.vae_width * value_bytes,
    }
    parts = {part: weights[part] + activations.get(part, 0) for part in PARTS}
    loaded = max(parts.values()) if options.low_memory else sum(parts.values())
    return MemoryEstimate(parts, BASE_BYTES + loaded)


def memory_warning(
    folder: FluxFolder,
    options: MemoryOptions,
    settings: ImageGenerationConfig,
    precision_bits: int,
    free_bytes: int,
) -> str | None:
    """Say what a generation lacks and which option would help; None if there is enough memory."""
    needed = estimate(folder, options, settings, precision_bits).peak_bytes
    if needed <= free_bytes:
        return None
    shortage = f"this needs about {_gib(needed)} of memory, and {_gib(free_bytes)} are free"
    single = dataclasses.replace(options, streams=1)
    frugal = dataclasses.replace(single, low_memory=True)
    advised = {"streams=1": single} if options.streams > 1 else {}
    advised |= {
        "low_memory=True": frugal,
        "low_memory=True and vae_tiling=True": dataclasses.replace(frugal, vae_tiling=True),
    }
    for advice, changed in advised.items():
        lowered = estimate(folder, changed, settings, precision_bits).peak_bytes
        if lowered <= free_bytes:
            return f"{shortage}; {advice} would take about {_gib(lowered)}"
    return (
        f"{shortage}; {advice} would take about {_gib(lowered)}: draw a smaller picture, or export "
        "the model with --weight-format int8 or int4"
    )


def available_bytes() -> int | None:
    """Return the memory that this process can still take without swapping, None if unknown."""
    try:
        if sys.platform == "linux":
            return linux_available_bytes(Path("/"))
        if sys.platform == "darwin":
            return _macos_available_bytes()
        if sys.platform == "win32":
            return _windows_available_bytes()
    except (OSError, ValueError, LookupError, subprocess.SubprocessError):
        pass
    return None


def linux_available_bytes(root: Path) -> int:
    """Read it from `proc` and `sys` below `root`: the least of the system's and its groups'."""
    meminfo = _numbers(root / "proc/meminfo")
    return min([meminfo["MemAvailable:"] * 1024, *_control_group_bytes(root)])


def _control_group_bytes(root: Path) -> list[int]:
    """What is left below the limit of each control group this process is in, if it has any.

    A container sees its own group, its parents or only the file system's root, so all are tried.
    """
    left = []
    for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, limit, usage = "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            mount, limit = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
            usage = "memory.usage_in_bytes"
        else:
            continue
        group = Path(path.lstrip("/"))
        for parent in (group, *group.parents):
            folder = root / mount / parent
            try:
                allowed = (folder / limit).read_text(encoding="utf-8").strip()
                if allowed != "max":
                    # what is used includes files that were read, which the system can drop
                    files = _numbers(folder / "memory.stat")["inactive_file"]
                    used = int((folder / usage).read_text(encoding="utf-8")) - files
                    left.append(max(int(allowed) - used, 0))
            except FileNotFoundError:
                continue
    return left


def _numbers(path: Path) -> dict[str, int]:
    """Read a file with a name and a number on each line."""
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {name: int(number) for name, number, *_ in lines}


def _macos_available_bytes() -> int:
    names = ["hw.memsize", "kern.memorystatus_level"]  # the second is a percentage
    command = ["sysctl", "-n", *names]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout
    total, percent = map(int, printed.split())
    return total * percent // 100


def _windows_available_bytes() -> int:
    import ctypes

    class MemoryStatus(ctypes.Structure):
        """`MEMORYSTATUSEX` of the Windows API."""

        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("total", "available")),
            *((f"unused_{k}", ctypes.c_uint64) for k in range(5)),
        )

    windows: Any = getattr(ctypes, "windll")  # noqa: B009  (mypy knows it on Windows only)
    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    if not windows.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        raise OSError("GlobalMemoryStatusEx failed")
    return int(status.available)


def _weight_bytes(folder: Path, precision_bits: int) -> int:
    """Bytes of a part's weights once it is compiled."""
    return sum(
        size * precision_bits // FLOATING_BITS.get(kind, precision_bits)
        for kind, size in stored_bytes(folder / "openvino_model").items()
    )


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
