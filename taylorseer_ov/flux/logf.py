"""The natural logarithm of float32 as the C library of Linux computes it, to the last bit.

A float32 x is z * 2^k with z near 1. One of 16 intervals that z lies in has a center c, and

    log(x) = k * log(2) + log(c) + log1p(z / c - 1)

with tabulated 1 / c and log(c) and a polynomial of degree four for log1p, all in float64; only the
sum is rounded to float32. That makes it nearly, not always, the correctly rounded logarithm.

Source: `logf` of Arm's optimized routines, which glibc has had since 2.27 (`e_logf.c`,
`e_logf_data.c`). Equal for each of the 1 056 964 609 normal numbers up to 1 (glibc 2.36).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array

LOWEST = 0x3F330000  # the bits of the lowest z, 0.6992
# 1 / c and log(c), from the lowest interval to the highest
INTERVALS = """
    0x1.661ec79f8f3bep+0  -0x1.57bf7808caadep-2
    0x1.571ed4aaf883dp+0  -0x1.2bef0a7c06ddbp-2
    0x1.49539f0f010b0p+0  -0x1.01eae7f513a67p-2
    0x1.3c995b0b80385p+0  -0x1.b31d8a68224e9p-3
    0x1.30d190c8864a5p+0  -0x1.6574f0ac07758p-3
    0x1.25e227b0b8ea0p+0  -0x1.1aa2bc79c8100p-3
    0x1.1bb4a4a1a343fp+0  -0x1.a4e76ce8c0e5ep-4
    0x1.12358f08ae5bap+0  -0x1.1973c5a611cccp-4
    0x1.0953f419900a7p+0  -0x1.252f438e10c1ep-5
    0x1.0000000000000p+0   0x0.0000000000000p+0
    0x1.e608cfd9a47acp-1   0x1.aa5aa5df25984p-5
    0x1.ca4b31f026aa0p-1   0x1.c5e53aa362eb4p-4
    0x1.b2036576afce6p-1   0x1.526e57720db08p-3
    0x1.9c2d163a1aa2dp-1   0x1.bc2860d224770p-3
    0x1.886e6037841edp-1   0x1.1058bc8a07ee1p-2
    0x1.767dcf5534862p-1   0x1.4043057b6ee09p-2
"""
INVERSE, LOGARITHM = np.array([float.fromhex(n) for n in INTERVALS.split()]).reshape(16, 2).T
LOG_2 = float.fromhex("0x1.62e42fefa39efp-1")
# of the powers 2, 3 and 4: nearly -1/2, 1/3 and -1/4
SQUARE, CUBE, FOURTH = map(
    float.fromhex, ("-0x1.ffffef20a4123p-2", "0x1.5575b0be00b6ap-2", "-0x1.00ea348b88334p-2")
)


def logf(values: Array) -> Array:
    """Return the logarithms of normal positive float32 numbers, float32."""
    bits = values.view(np.int32)
    place = bits - LOWEST
    exponent = place >> 23
    interval = (place >> 19) & 15
    z = (bits - (exponent << 23)).view(np.float32).astype(np.float64)
    # the order of operations decides the last bit
    r: NDArray[np.float64] = z * INVERSE[interval] - 1
    squared = r * r
    tail = FOURTH * squared + (CUBE * r + SQUARE)
    whole = LOGARITHM[interval] + exponent * LOG_2
    logarithm: Array = (tail * squared + (whole + r)).astype(np.float32)
    return logarithm
