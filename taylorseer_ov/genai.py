"""What the installed openvino_genai is and can do."""

from __future__ import annotations

from typing import Any

from .version import installed_version, release

TAYLORSEER_SINCE = (2026, 1)
# Since then its own pipelines cache unless told otherwise.
CACHING_ON_SINCE = (2026, 2)
# Since then it samples FLUX.1 with FLUX.2's noise levels, for some scheduler files.
WRONG_LEVELS_SINCE = (2026, 3)


def missing_native_support() -> str | None:
    """Say why openvino_genai cannot be used at all, None if it can.

    Only looks at the installed version: importing an old openvino_genai beside a newer openvino, or
    on a newer export, can end the process.
    """
    return missing_in_version(installed_version("openvino-genai"))


def missing_in_version(version: str | None) -> str | None:
    """Say why openvino_genai of this version (None: not installed) cannot be used at all."""
    if version is None:
        return "openvino_genai is not installed"
    if not release(version):
        return f"openvino_genai has an unknown version {version!r}"
    if release(version) < TAYLORSEER_SINCE:
        needed = ".".join(map(str, TAYLORSEER_SINCE))
        return f"openvino_genai {version} has no TaylorSeer caching, which came with {needed}"
    return None


def import_openvino_genai() -> Any:
    """Import openvino_genai if it is recent enough.

    Raises:
        RuntimeError: saying why not and what helps.
    """
    reason = missing_native_support()
    if reason:
        raise RuntimeError(f"{reason}; run pip install -U openvino-genai, or use backend='python'")
    import openvino_genai

    return openvino_genai


def draws_wrong_levels(version: str | None) -> bool:
    """Whether openvino_genai of this version misreads `"time_shift_type": "exponential"`."""
    return version is not None and release(version) >= WRONG_LEVELS_SINCE
