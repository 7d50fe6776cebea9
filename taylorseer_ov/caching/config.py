"""The configuration of TaylorSeer caching, with OpenVINO GenAI's names and defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from ..checks import known_fields, nearest, true_or_false, whole_number

Abscissa = Literal["step", "sigma"]
# of the whole numbers; None for any
LEAST = {
    "cache_interval": 2,
    "disable_cache_before_step": 0,
    "disable_cache_after_step": None,
    "max_order": 0,
}


@dataclass
class TaylorSeerCacheConfig:
    """Configure caching of the transformer's output during denoising.

    The first three fields have the names, the meaning and the defaults of
    `openvino_genai.TaylorSeerCacheConfig`; with the defaults of the other two, the forecast is
    native's as well. Fields may be set; each assignment is checked at once. What keeps a
    configuration keeps a copy.

    Attributes:
        cache_interval: after the warm-up the transformer runs once every so many steps; at least 2.
        disable_cache_before_step: so many first steps always run the transformer. Two always do.
        disable_cache_after_step: from this step on (inclusive) the transformer always runs.
            Negative values count from the end of the schedule.
        max_order: number of derivatives used in a forecast: 0 repeats the last output, 1 is
            TaylorSeer Lite, higher orders use divided differences.
        abscissa: what derivatives are taken with respect to: the `"step"` index (native) or the
            noise level `"sigma"`, whose steps are uneven.
        corrector: at a transformer run that ends a gap, mend the drift of the forecasts before it
            by interpolating over the gap. Costs no transformer run; native does not have it.

    Raises:
        AttributeError: if another field is set; the nearest name is suggested.
        TypeError: if a number is not a whole number.
        ValueError: if a value is out of range; the message names the value and what is allowed.

    Source: `taylorseer_config.hpp` of openvino.genai; Liu et al., arXiv 2503.06923.
    """

    cache_interval: int = 3
    disable_cache_before_step: int = 6
    disable_cache_after_step: int = -2
    max_order: int = 1
    abscissa: Abscissa = "step"
    corrector: bool = False

    def __setattr__(self, name: str, value: Any) -> None:
        known = [field.name for field in fields(self)]
        if name not in known:
            raise AttributeError(
                f"a TaylorSeerCacheConfig has no {name!r}{nearest(name, known)} "
                f"Its fields are {', '.join(known)}"
            )
        if name in LEAST:
            value = whole_number(name, value, LEAST[name])
        elif name == "abscissa" and not (isinstance(value, str) and value in get_args(Abscissa)):
            raise ValueError(f"abscissa must be 'step' or 'sigma', got {value!r}")
        elif name == "corrector":
            value = true_or_false(name, value)
        object.__setattr__(self, name, value)

    @property
    def is_native(self) -> bool:
        """Whether openvino_genai can do this: order 1 in the step index, no corrector."""
        return self.max_order == 1 and self.abscissa == "step" and not self.corrector

    def to_string(self) -> str:
        """Return the fields a line each, as native's `to_string` does."""
        lines = [f"  {name}: {value}" for name, value in self.to_dict().items()]
        return "\n".join(["TaylorSeerCacheConfig {", *lines, "}"])

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a plain dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TaylorSeerCacheConfig:
        """Build from a dictionary; missing fields have their defaults.

        Raises:
            TypeError, ValueError: for an unknown field, or a value that is not allowed.
        """
        known_fields("a TaylorSeerCacheConfig", values, [field.name for field in fields(cls)])
        return cls(**values)

    def to_json(self) -> str:
        """Return the fields as a JSON object."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> TaylorSeerCacheConfig:
        """Build from what `to_json` wrote.

        Raises:
            TypeError, ValueError: if it is not JSON, no object, or not one of these fields.
        """
        try:
            values = json.loads(text)
        except RecursionError:
            raise ValueError("not a configuration: brackets nested too deeply") from None
        if not isinstance(values, dict):
            raise ValueError(f"a TaylorSeerCacheConfig is a JSON object, got {text[:80]!r}")
        return cls.from_dict(values)

    def to_native(self) -> Any:
        """Return the same configuration as an `openvino_genai.TaylorSeerCacheConfig`.

        Raises:
            ValueError: if openvino_genai cannot express it (`is_native` is false).
            RuntimeError: if the installed openvino_genai is missing or has no TaylorSeer caching.
        """
        from ..genai import import_openvino_genai

        if not self.is_native:
            raise ValueError(
                "openvino_genai knows max_order=1, abscissa='step', corrector=False only, "
                f"got {self}; use backend='python'"
            )
        native = import_openvino_genai().TaylorSeerCacheConfig()
        native.cache_interval = self.cache_interval
        native.disable_cache_before_step = self.disable_cache_before_step
        native.disable_cache_after_step = self.disable_cache_after_step
        return native

    @classmethod
    def from_native(cls, native: Any) -> TaylorSeerCacheConfig:
        """Build from an `openvino_genai.TaylorSeerCacheConfig`."""
        return cls(
            cache_interval=native.cache_interval,
            disable_cache_before_step=native.disable_cache_before_step,
            disable_cache_after_step=native.disable_cache_after_step,
        )
