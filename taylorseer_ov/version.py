"""Versions: this package's own, and those of the packages it works with."""

from __future__ import annotations

import functools

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
