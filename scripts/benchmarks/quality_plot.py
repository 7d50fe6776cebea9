"""Plot what `quality.py` found: likeness over transformer runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.quality_methods import (
    CALIBRATED,
    CONTROLLED,
    CORRECTED_SIGMA,
    EASY,
    GENAI,
    KEPT,
    MAG,
    NATIVE,
    PLAIN,
    SPREAD,
    UNCACHED,
)

# colour, width and dashes of a line; what is not named is thin and grey
STYLES: dict[str, tuple[str, float, str]] = {
    PLAIN: ("#444444", 1.8, "--"),
    NATIVE: ("#b35900", 2.2, "-"),
    CORRECTED_SIGMA: ("#8a4fae", 2.2, "-"),
    SPREAD: ("#8a4fae", 1.6, ":"),
    CALIBRATED: ("#0060b0", 2.8, "-"),
    KEPT: ("#0060b0", 2.8, "-"),
    CONTROLLED: ("#00805a", 2.2, "-"),
    EASY: ("#c2326d", 1.6, "-"),
    MAG: ("#8d7a00", 1.6, "-"),
}
FAINT = ("#9a9a9a", 1.1, "-")
BOLD = 2.0  # from this width on the 10th percentile is shown too
MOST_SHOWN = 1.3  # times the most scheduled runs
LABEL_SHARE = 0.29  # of the width, for the names


def import_figure() -> Any:
    """Return matplotlib's `Figure`.

    Raises:
        RuntimeError: saying how to install it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RuntimeError(
            "the plot needs matplotlib: pip install matplotlib, or leave it out with --no-plot"
        ) from error
    return Figure


def draw_plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Plot likeness over transformer runs: latents on the left, pictures on the right."""
    figure = import_figure()(figsize=(13.5, 6.4), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    _draw_lines(left, rows, "latents_db", "Final latents: signal to error (dB)")
    _draw_lines(right, rows, "psnr_db", "Pictures: PSNR (dB)")
    figure.suptitle(
        "How like the picture with every step computed: mean over prompts, with a thin line down "
        "to the 10th percentile; higher is better",
        x=0.01,
        ha="left",
        fontsize=13,
    )
    figure.savefig(path, dpi=130)


def _draw_lines(axes: Any, rows: Sequence[dict[str, Any]], measure: str, title: str) -> None:
    rows = [row for row in rows if row["family"] != UNCACHED and row[measure] is not None]
    # a policy that hardly skips anything is in the table only
    limit = MOST_SHOWN * max((row["scheduled_runs"] or 0 for row in rows), default=0)
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["runs"] <= limit:
            mean, low = row[measure]["mean"], row[measure]["p10"]
            lines.setdefault(row["family"], []).append((row["runs"], mean))
            color, width, _ = STYLES.get(row["family"], FAINT)
            if width >= BOLD:
                axes.vlines(row["runs"], low, mean, color=color, linewidth=1.2, alpha=0.45)
    for family, points in lines.items():
        x, y = zip(*sorted(points), strict=True)
        color, width, dashes = STYLES.get(family, FAINT)
        if family == GENAI:
            axes.plot(x, y, "s", color="#b35900", markerfacecolor="none", markersize=9, zorder=4)
        else:
            axes.plot(x, y, dashes, color=color, linewidth=width, marker="o", markersize=3 + width)
    ends = {family: max(points) for family, points in lines.items()}
    low, high = axes.get_ylim()
    most_runs = max(x for x, _ in ends.values())
    names = sorted(ends, key=lambda family: ends[family][1])
    heights = spread([ends[family][1] for family in names], (high - low) * 0.042)
    label_x = most_runs + 0.1 * (most_runs - 4)
    for family, height in zip(names, heights, strict=True):
        color = STYLES.get(family, ("#b35900" if family == GENAI else "#6e6e6e",))[0]
        x, y = ends[family]
        axes.plot([x, label_x], [y, height], color=color, linewidth=0.5, alpha=0.5, zorder=1)
        bold = "bold" if family in (CALIBRATED, KEPT) else "normal"
        axes.text(label_x, height, f" {family}", color=color, va="center", fontweight=bold)
    fewest_runs = min(x for points in lines.values() for x, _ in points)
    start = fewest_runs - 0.5
    axes.set_xlim(start, start + (label_x - start) / (1 - LABEL_SHARE))
    axes.set_xticks(range(math.ceil(fewest_runs), math.floor(most_runs) + 1))
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("transformer runs for a picture")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def spread(wanted: Sequence[float], distance: float) -> list[float]:
    """Move rising values apart until neighbours are `distance` apart, as little as it takes."""
    # runs of labels that touch are centred on the mean of where they want to be
    groups: list[list[float]] = []
    centers: list[float] = []
    for value in wanted:
        groups.append([value])
        centers.append(value)
        while len(groups) > 1:
            reach = distance * (len(groups[-1]) + len(groups[-2])) / 2
            if centers[-1] - centers[-2] >= reach:
                break
            upper = groups.pop()
            groups[-1] += upper
            centers.pop()
            centers[-1] = math.fsum(groups[-1]) / len(groups[-1])
    return [
        center + distance * (i - (len(group) - 1) / 2)
        for group, center in zip(groups, centers, strict=True)
        for i in range(len(group))
    ]
