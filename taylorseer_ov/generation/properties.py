"""The OpenVINO properties that people give a pipeline, for editors and type checkers.

Source: `openvino.properties`, and docs.openvino.ai under "Query Device Properties".
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np

from ..flux.device_properties import check_property_names

if TYPE_CHECKING:
    import openvino as ov
    import openvino.properties.hint as hint


class OpenVINOProperties(TypedDict, total=False):
    """Properties by OpenVINO's names; any other is passed on as well.

    One that is not listed gets past a type checker from a mapping:
    `rare: dict[str, Any] = {"GPU_QUEUE_THROTTLE": "LOW"}` and then `**rare`.

    Attributes:
        INFERENCE_PRECISION_HINT: what a device computes in; f32 is the most exact.
        EXECUTION_MODE_HINT: `"ACCURACY"` lowers no precision that is not asked for.
        PERFORMANCE_HINT: what OpenVINO tunes streams and threads for.
        DYNAMIC_QUANTIZATION_GROUP_SIZE: values of an activation that share a scale where weights
            are int8 or int4; 0 leaves activations as they are.
        INFERENCE_NUM_THREADS: threads of a processor; 0 for all.
        NUM_STREAMS: requests that run at once, of which a pipeline without `streams` makes one.
        ENABLE_CPU_PINNING: whether threads stay on their cores.
        ENABLE_HYPER_THREADING: whether they may share a core.
        SCHEDULING_CORE_TYPE: which cores of a hybrid processor take part.
        CACHE_DIR: folder in which compiled models are kept for the next process, `""` for none; by
            default one of the user's for GPUs, and none for others.
        ENABLE_MMAP: whether weights are mapped from their files instead of read.
        PERF_COUNT: whether every layer is timed.
        MODEL_PRIORITY: of this model where several share a GPU.
        DEVICE_ID: which of several devices, such as `"1"`.
        adapters: an `openvino_genai.AdapterConfig` with LoRA adapters; native backend only.
    """

    INFERENCE_PRECISION_HINT: Literal["f32", "f16", "bf16"] | ov.Type
    EXECUTION_MODE_HINT: Literal["PERFORMANCE", "ACCURACY"] | hint.ExecutionMode
    PERFORMANCE_HINT: (
        Literal["LATENCY", "THROUGHPUT", "CUMULATIVE_THROUGHPUT"] | hint.PerformanceMode
    )
    DYNAMIC_QUANTIZATION_GROUP_SIZE: int
    INFERENCE_NUM_THREADS: int
    NUM_STREAMS: int | str
    ENABLE_CPU_PINNING: bool
    ENABLE_HYPER_THREADING: bool
    SCHEDULING_CORE_TYPE: Literal["ANY_CORE", "PCORE_ONLY", "ECORE_ONLY"] | hint.SchedulingCoreType
    CACHE_DIR: str
    ENABLE_MMAP: bool
    PERF_COUNT: bool
    MODEL_PRIORITY: Literal["LOW", "MEDIUM", "HIGH"] | hint.Priority
    DEVICE_ID: str
    adapters: Any


def all_properties(
    config: Mapping[str, Any] | None, given: Mapping[str, Any], call: Callable[..., object]
) -> dict[str, Any]:
    """Return the properties of a dictionary and those given as keywords, which go before it.

    Args:
        call: what was called, whose own arguments a misspelt name may mean.

    Raises:
        TypeError: if `config` is no dictionary with texts as keys, or a name is no property's.
    """
    if config is None:
        config = {}
    if not isinstance(config, Mapping) or not all(isinstance(name, str) for name in config):
        raise TypeError(
            "config must be a dictionary of OpenVINO properties, such as "
            f"{{'CACHE_DIR': 'compiled'}}, got {config!r}"
        )
    arguments = [name for name in inspect.signature(call).parameters if name != "self"]
    check_property_names([*config, *given], [*arguments, *OpenVINOProperties.__annotations__])
    return {
        # neither OpenVINO nor openvino_genai knows numpy's numbers
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in (dict(config) | dict(given)).items()
    }
