"""How alike the pictures of two folders are: paired by name, measured, summed up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..flux.picture_reading import read_picture
from .formats import SUFFIXES
from .quality import finite_psnr, gmsd, ssim

# the measures of a pair, and the percentile at which its worst tenth begins
WORST_TENTH = {"psnr_db": 10, "ssim": 10, "gmsd": 90, "mean_difference": 90, "most_difference": 90}


@dataclass(frozen=True)
class PairLikeness:
    """How alike two pictures are.

    Attributes:
        stem: the name of both files, without suffix.
        first, second: the files.
        width, height: of both, in pixels.
        psnr_db: peak signal-to-noise ratio in dB, at most 100, which stands for equal.
        ssim: structural similarity, 1 if equal.
        gmsd: gradient magnitude similarity deviation, 0 if equal.
        mean_difference, most_difference: of the values from 0 to 255 of pixels and colours.
    """

    stem: str
    first: Path
    second: Path
    width: int
    height: int
    psnr_db: float
    ssim: float
    gmsd: float
    mean_difference: float
    most_difference: int

    def to_dict(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return asdict(self) | {"first": str(self.first), "second": str(self.second)}


@dataclass(frozen=True)
class Pairs:
    """The pictures of two folders.

    Attributes:
        pairs: two files each, of one name without suffix, in the order of their names.
        left_out: sentences about what has no partner.
    """

    pairs: list[tuple[Path, Path]]
    left_out: list[str]


def pair_pictures(first: str | Path, second: str | Path) -> Pairs:
    """Pair the PNG, JPEG and WebP files of two folders by their names without suffix.

    Raises:
        ValueError: if a folder has no such file.
        OSError: if a folder cannot be read.
    """
    found = [_by_stem(Path(folder)) for folder in (first, second)]
    pairs, left_out = [], []
    for stem in sorted({*found[0], *found[1]}):
        files, others = (folder.get(stem, []) for folder in found)
        several = files if len(files) > 1 else others
        if len(several) > 1:
            names = " and ".join(path.name for path in several)
            left_out.append(f"{several[0].parent} has {names}: which is meant is not clear")
        elif files and others:
            pairs.append((files[0], others[0]))
        else:
            (alone,) = files or others
            left_out.append(f"{alone} has no partner in {second if files else first}")
    return Pairs(pairs, left_out)


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
            found.setdefault(path.stem, []).append(path)
    if not found:
        raise ValueError(f"there is no picture in {str(folder)!r} ({', '.join(SUFFIXES)})")
    return found


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """Return a picture's pixels (height, width, 3), without transparency.

    Raises:
        ValueError: if it cannot be read or has over 64 million pixels.
    """
    return np.asarray(read_picture("picture", path).convert("RGB"))


def pair_likeness(first: Path, second: Path) -> PairLikeness:
    """Measure how alike the pictures in two files are.

    Raises:
        ValueError: if one cannot be read, or their sizes differ or are under 11x11 pixels.
    """
    a, b = read_pixels(first), read_pixels(second)
    if a.shape != b.shape:
        sizes = " and ".join(f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (a, b))
        raise ValueError(f"{first} and {second} differ in size, {sizes} pixels")
    difference = np.abs(a.astype(np.int16) - b)
    return PairLikeness(
        stem=first.stem,
        first=first,
        second=second,
        width=a.shape[1],
        height=a.shape[0],
        psnr_db=finite_psnr(a, b),
        ssim=ssim(a, b),
        gmsd=gmsd(a, b),
        mean_difference=float(difference.mean()),
        most_difference=int(difference.max()),
    )


def summarize_pairs(pairs: Sequence[PairLikeness]) -> dict[str, dict[str, Any]]:
    """Return mean, where the worst tenth begins, the worst, and its name, by measure."""
    summary = {}
    for measure, percentile in WORST_TENTH.items():
        values = np.array([getattr(pair, measure) for pair in pairs], np.float64)
        worst = int(np.argmin(values) if percentile < 50 else np.argmax(values))
        summary[measure] = {
            "mean": float(values.mean()),
            "worst_tenth": float(np.percentile(values, percentile)),
            "worst": float(values[worst]),
            "worst_pair": pairs[worst].stem,
        }
    return summary
