"""How the weights of an export are stored."""

from __future__ import annotations

from dataclasses import dataclass

# Bytes on disk at the peak for each parameter: int8 and int4 are made from a 16-bit export, and
# for fp16 the largest part that is rewritten (T5) is there twice.
PEAK_BYTES = {"fp32": 4.1, "fp16": 2.8, "int8": 3.3, "int4": 2.9}


@dataclass(frozen=True)
class Compression:
    """How the weights of every part are stored.

    Attributes:
        weight_format: `"fp32"`, `"fp16"`, `"int8"` or `"int4"`.
        group_size: int4 weights that share a scale, -1 for a whole row; 128 if None, and fewer
            where a layer is narrow.
        ratio: share of the weights that become int4, the others int8; all of them if None.
        sym: quantize without zero points.

    Raises:
        ValueError: for a format that there is none of, or options that do not go with it.
    """

    weight_format: str = "fp16"
    group_size: int | None = None
    ratio: float | None = None
    sym: bool = False

    def __post_init__(self) -> None:
        form, size, ratio = self.weight_format, self.group_size, self.ratio
        if form not in PEAK_BYTES:
            raise ValueError(f"weight format {form!r}; use one of {', '.join(PEAK_BYTES)}")
        if form != "int4" and (size is not None or ratio is not None):
            raise ValueError(f"group size and ratio are for int4 only, not for {form}")
        if self.sym and not self.is_quantized:
            raise ValueError(f"sym is for int8 and int4 only, not for {form}")
        if size is not None and size < 1 and size != -1:
            raise ValueError(f"group size {size}; use a positive number, or -1 for whole rows")
        if ratio is not None and not 0 <= ratio <= 1:
            raise ValueError(f"ratio {ratio}; use a number from 0 to 1")

    @property
    def is_quantized(self) -> bool:
        """Whether weights become integers."""
        return self.weight_format.startswith("int")

    @property
    def is_half(self) -> bool:
        """Whether weights are float16, if only before they become integers."""
        return self.weight_format != "fp32"

    def peak_bytes(self, fused: bool = False) -> float:
        """Return the bytes on disk at the peak for each parameter.

        Args:
            fused: whether a transformer with adapters fused into it is there too.
        """
        extra = (2.0 if self.is_half else 4.0) if fused else 0.0
        return PEAK_BYTES[self.weight_format] + extra
