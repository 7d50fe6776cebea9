"""The scheduler as openvino_genai's users name it: a file that fixes the noise levels."""

from __future__ import annotations

import enum
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..genai import import_openvino_genai
from ..model_files import ModelFolderError, read_json
from .sampling import NoiseLevels

FILE_NAME = "scheduler_config.json"
FLUX_CLASS = "FlowMatchEulerDiscreteScheduler"


@dataclass(frozen=True)
class Scheduler:
    """What a `scheduler_config.json` says, for `set_scheduler` and `flux`.

    Made by `from_config`. Needs no openvino_genai, whose class of this name it stands for.

    Attributes:
        noise_levels: what fixes the noise levels of a generation.
        config: the whole file.
    """

    noise_levels: NoiseLevels
    config: Mapping[str, Any]

    class Type(enum.IntEnum):
        """The kinds of openvino_genai; Flux is sampled with `FLOW_MATCH_EULER_DISCRETE` alone."""

        AUTO = 0
        LCM = 1
        DDIM = 2
        EULER_DISCRETE = 3
        FLOW_MATCH_EULER_DISCRETE = 4
        PNDM = 5
        EULER_ANCESTRAL_DISCRETE = 6
        LMS_DISCRETE = 2  # what native makes of it

    @classmethod
    def from_config(
        cls,
        scheduler_config_path: str | os.PathLike[str],
        scheduler_type: Scheduler.Type = Type.AUTO,
    ) -> Scheduler:
        """Read and check a scheduler's file.

        Args:
            scheduler_config_path: the file, such as `MODEL/scheduler/scheduler_config.json`.
            scheduler_type: `AUTO` takes the class that the file names; another kind is taken
                whatever the file names.

        Raises:
            FileNotFoundError: if there is no such file.
            TypeError: if the type is none of `Scheduler.Type`.
            ModelFolderError: if it is no JSON object, or a value in it is not allowed.
            ValueError: for a kind of scheduler that Flux is not sampled with.
        """
        path = Path(scheduler_config_path)
        if not isinstance(scheduler_type, cls.Type):
            kinds = ", ".join(f"Scheduler.Type.{name}" for name in cls.Type.__members__)
            raise TypeError(f"scheduler_type must be one of {kinds}; got {scheduler_type!r}")
        if scheduler_type not in (cls.Type.AUTO, cls.Type.FLOW_MATCH_EULER_DISCRETE):
            raise ValueError(
                f"Flux cannot be sampled with Scheduler.Type.{scheduler_type.name}, only with "
                "FLOW_MATCH_EULER_DISCRETE or AUTO; for other models, use openvino_genai.Scheduler"
            )
        if path.is_dir():
            raise FileNotFoundError(f"{path} is a folder; give the {FILE_NAME} in it")
        if not path.exists():
            raise FileNotFoundError(
                f"there is no scheduler file {str(path)!r}; give a model's scheduler/{FILE_NAME}"
            )
        config = read_json(path)
        if scheduler_type == cls.Type.FLOW_MATCH_EULER_DISCRETE:
            config["_class_name"] = FLUX_CLASS
        try:
            return cls(NoiseLevels.from_config(config), config)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ModelFolderError(f"{path}: {error}") from error

    def to_native(self) -> Any:
        """Return openvino_genai's scheduler of the same noise levels.

        It is made without `time_shift_type`, which openvino_genai takes for something else.

        Raises:
            RuntimeError: if openvino_genai cannot be used.
        """
        genai = import_openvino_genai()
        config = {name: self.config[name] for name in self.config if name != "time_shift_type"}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / FILE_NAME
            file.write_text(json.dumps({"_class_name": FLUX_CLASS} | config), encoding="utf-8")
            return genai.Scheduler.from_config(file)


def as_scheduler(given: Any) -> Scheduler:
    """Return what is our own scheduler.

    Raises:
        TypeError: if it is not.
    """
    if not isinstance(given, Scheduler):
        raise TypeError(
            "scheduler must be taylorseer_ov.Scheduler.from_config(PATH), from the model's "
            f"scheduler/{FILE_NAME} or another; got {given!r}"
        )
    return given
