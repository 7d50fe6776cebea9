"""Text encoders where a processor has one thread for them.

The T5 encoder in bfloat16 on AMX ends the process there, with SIGFPE and no message (OpenVINO
2026.4). In float32, with two threads, and on other instruction sets it does not. OpenVINO does not
tell whether a processor has AMX, so all that compute in bfloat16 are treated alike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .devices import Properties, compile_smallest

PRECISION = "INFERENCE_PRECISION_HINT"
# what OpenVINO makes threads, streams and the precision of
DECIDING = (
    *(PRECISION, "EXECUTION_MODE_HINT", "PERFORMANCE_HINT", "PERFORMANCE_HINT_NUM_REQUESTS"),
    *("INFERENCE_NUM_THREADS", "NUM_STREAMS", "ENABLE_HYPER_THREADING", "SCHEDULING_CORE_TYPE"),
)
STREAMS = ("PERFORMANCE_HINT", "NUM_STREAMS")
# microseconds of a period that may be used, and the period: of control groups, version 2 and 1
QUOTAS = (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"])
REFUSAL = (
    "the text encoders have one thread here, and with one thread OpenVINO's bfloat16 ends the "
    "process on processors with AMX; "
)


def encoder_properties(device: str, properties: Properties) -> Properties:
    """Return what a text encoder is compiled with: in float32 where bfloat16 may end the process.

    Raises:
        ValueError: where it may and bfloat16 was asked for, or LoRA adapters, with which
            openvino_genai compiles all parts alike. Another precision than the one asked for is
            not taken quietly, and an end without a message is worse than this one.
    """
    if not computes_in_one_thread(device, properties):
        return properties
    if PRECISION in properties or properties.get("adapters") is not None:
        raise ValueError(REFUSAL + f"give {PRECISION}='f32', or two threads (processors)")
    return {**properties, PRECISION: "f32"}


def part_properties(part: str, device: str, properties: Properties) -> Properties:
    """Return what a part is compiled with: `encoder_properties` for text encoders only."""
    if not part.startswith("text_encoder"):
        return properties
    return encoder_properties(device, properties)


def computes_in_one_thread(device: str, properties: Properties) -> bool:
    """Whether a device is the processor, computing in bfloat16 with one thread to a request."""
    listed = device.partition(":")[2] or device
    if not any(name.strip("-").startswith(("CPU", "AUTO")) for name in listed.split(",")):
        return False
    given = {name: properties[name] for name in DECIDING if name in properties}
    return _may_be_bfloat16(given) and _may_be_one_thread(given) and _is_both(given)


def usable_processors() -> float:
    """Return how many processors this process may use, by its affinity and its quota of time."""
    return min(_affinity(), _quota(Path("/sys/fs/cgroup")))


def _affinity() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # not on Windows and macOS
    if affinity is None:
        return os.cpu_count() or 1
    # of all threads: OpenVINO of 2025 binds the one that runs a model to a single processor
    processors = set(affinity(0))
    for thread in Path("/proc/self/task").glob("*"):
        with suppress(OSError):  # it has just ended
            processors |= affinity(int(thread.name))
    return len(processors)


def _quota(groups: Path) -> float:
    """The processors' time that a container may use, by the second: 1.5 for one and a half."""
    for files in QUOTAS:
        paths = [groups / name for name in files]
        if all(path.is_file() for path in paths):
            quota, period = " ".join(path.read_text(encoding="ascii") for path in paths).split()
            if quota.isdecimal() and period.isdecimal():  # and not "max", or -1
                return int(quota) / max(1, int(period))
    return float("inf")


def _may_be_bfloat16(given: Mapping[str, Any]) -> bool:
    import openvino as ov

    asked = given.get(PRECISION)
    if asked is None:
        asked = ov.Core().get_property("CPU", PRECISION)
    return str(asked) in ("bf16", str(ov.Type.bf16))


def _may_be_one_thread(given: Mapping[str, Any]) -> bool:
    # two may be one core's, and streams share out all there are
    few = usable_processors() <= 2 or str(given.get("INFERENCE_NUM_THREADS")) == "1"
    return few or any(name in given for name in STREAMS)


def _is_both(given: Mapping[str, Any]) -> bool:
    """Ask OpenVINO, which tells only of compiled models."""
    import openvino as ov

    try:
        compiled = compile_smallest("CPU", given)
    except RuntimeError:  # a property that the compiling of the models will complain of
        return False
    if compiled.get_property(PRECISION) != ov.Type.bf16:
        return False
    streams = max(1, int(compiled.get_property("NUM_STREAMS")))
    threads = int(compiled.get_property("INFERENCE_NUM_THREADS")) // streams
    return threads <= 1 or usable_processors() < 2
