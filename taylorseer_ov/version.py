"""Versions: this package's own, and those of the packages it works with."""

from __future__ import annotations

import functools
from pathlib import Path

__version__ = "0.1.0"


def get_version() -> str:
    """Return the version of taylorseer_ov, as `openvino_genai.get_version` does of itself."""
    return __version__


def installed_version(package: str) -> str | None:
    """Return a package's version without importing it, None if it is not installed."""
    from importlib import metadata  # slow to import, and not always needed

    try:
        return _version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache  # of what is found: a package may still be installed, a loaded one does not change
def _version(package: str) -> str:
    from importlib import metadata

    return metadata.version(package)


def release(version: str, numbers: int = 2) -> tuple[int, ...]:
    """Return the first numbers of a version, (2026, 1) of "2026.1.0"; empty if they are none."""
    found = version.split(".")[:numbers]
    return tuple(int(part) for part in found) if all(part.isdecimal() for part in found) else ()


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this package as it is installed here.

    Where it is installed, pip goes by what is there, whether that came from a wheel or a checkout,
    and asks no index for this package. A checkout that is only on Python's path has to be named.
    """
    if installed_version("taylorseer-ov") is not None:
        return f'pip install "taylorseer-ov[{extra}]"'
    return f'pip install "{Path(__file__).resolve().parents[1]}[{extra}]"'
