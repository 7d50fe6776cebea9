"""Show what caching saved and what it cost: one picture a person understands at a glance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .quality import psnr, ssim
from .result import GenerationResult

AMPLIFICATION = 8
PANEL = 384
MARGIN = 16
TITLE = 28
BAR = 26
INK, PAPER = (30, 30, 30), (255, 255, 255)
COMPUTED, PREDICTED, REST = (42, 103, 196), (245, 166, 35), (214, 214, 214)
LEGEND = (
    (COMPUTED, "transformer run"),
    (PREDICTED, "forecast step"),
    (REST, "text encoding, VAE, rest"),
)


def comparison_picture(baseline: GenerationResult, cached: GenerationResult) -> Image.Image:
    """Draw both first pictures, their amplified difference, and where the time went.

    The timelines share one scale: a block per step, as wide as the step took; transformer runs and
    forecasts in different colours, text encoding and VAE in grey.

    Raises:
        ValueError: for pictures of different sizes, or smaller than `ssim` takes.
    """
    panels = _panels(baseline, cached)
    height, width = baseline.data.shape[1:3]
    scale = PANEL / max(height, width)
    size = (round(width * scale), round(height * scale))
    resampling = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    sheet_width = 3 * max(size[0], PANEL) + 4 * MARGIN
    top = MARGIN + TITLE
    timeline_top = top + size[1] + MARGIN
    sheet = Image.new("RGB", (sheet_width, timeline_top + 3 * (BAR + 8) + MARGIN), PAPER)
    canvas = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for k, (pixels, title) in enumerate(panels):
        left = MARGIN + k * (max(size[0], PANEL) + MARGIN)
        canvas.text((left, MARGIN), title, INK, font)
        sheet.paste(Image.fromarray(pixels).resize(size, resampling), (left, top))
    longest_s = max(baseline.report.total_s, cached.report.total_s)
    for k, result in enumerate((baseline, cached)):
        _draw_timeline(canvas, result, timeline_top + k * (BAR + 8), sheet_width, longest_s)
    _draw_legend(canvas, timeline_top + 2 * (BAR + 8), font)
    return sheet


def _panels(
    baseline: GenerationResult, cached: GenerationResult
) -> list[tuple[NDArray[np.uint8], str]]:
    """The pictures (height, width, 3) that stand side by side, with their titles."""
    shown = [
        (
            result.data[0],
            f"{result.report.computed_steps} transformer runs, {result.report.total_s:.2f} s",
        )
        for result in (baseline, cached)
    ]
    first, second = baseline.data[0], cached.data[0]
    likeness = f"PSNR {psnr(first, second):.1f} dB, SSIM {ssim(first, second):.4f}"
    amplified = amplified_difference(first, second)
    return [*shown, (amplified, f"difference x{AMPLIFICATION}: {likeness}")]


def amplified_difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return how much pictures of one shape differ, 8 times brighter."""
    difference = np.abs(first.astype(np.int16) - second) * AMPLIFICATION
    amplified: NDArray[np.uint8] = np.minimum(difference, 255).astype(np.uint8)
    return amplified


def _draw_legend(
    canvas: ImageDraw.ImageDraw, top: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    left = MARGIN
    for color, label in LEGEND:
        canvas.rectangle([left, top + 4, left + 14, top + 18], fill=color)
        canvas.text((left + 20, top + 2), label, INK, font)
        left += 40 + round(canvas.textlength(label, font))


def _draw_timeline(
    canvas: ImageDraw.ImageDraw,
    result: GenerationResult,
    top: int,
    sheet_width: int,
    longest_s: float,
) -> None:
    report = result.report
    pixels_per_s = (sheet_width - 2 * MARGIN) / longest_s
    rest_s = report.total_s - report.text_encoding_s - sum(report.step_s)
    blocks = [(report.text_encoding_s, REST)]
    for letter, seconds in zip(report.schedule, report.step_s, strict=False):
        blocks.append((seconds, COMPUTED if letter == "C" else PREDICTED))
    blocks.append((rest_s, REST))
    start_s = 0.0
    forecasts = []
    for seconds, color in blocks:
        left = MARGIN + start_s * pixels_per_s
        start_s += seconds
        right = MARGIN + start_s * pixels_per_s
        if color == PREDICTED:
            forecasts.append((left, right))
        else:
            canvas.rectangle([left, top, right, top + BAR], fill=color, outline=PAPER)
    for left, right in forecasts:
        # at least three pixels, over its neighbours: its true width would not be seen
        canvas.rectangle([left - 1, top, max(left + 1, right), top + BAR], fill=PREDICTED)
