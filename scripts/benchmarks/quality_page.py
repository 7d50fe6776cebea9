"""Write what `quality.py` found as one page: pictures to compare, schedules, figures.

The page is a single file that loads nothing: pictures are data URIs, style and script are inline.
Without JavaScript it shows everything at once; with it, one prompt and one number of transformer
runs at a time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from taylorseer_ov.pictures.page import data_uri, page


@dataclass(frozen=True)
class Shown:
    """A picture and what is known about it.

    Attributes:
        scheduled_runs: the transformer runs the method was chosen for; None if it decides itself.
        schedule: `C` for a step that ran the transformer, `.` for another.
        picture: uint8 (height, width, 3).
        latents_db, psnr_db: likeness to the uncached picture in dB; 100 stands for equal.
        right: whether the picture shows what was asked for, None if nobody can tell.
    """

    family: str
    setting: str
    scheduled_runs: int | None
    schedule: str
    picture: np.ndarray
    latents_db: float | None
    psnr_db: float
    right: bool | None

    @property
    def runs(self) -> int:
        """Transformer runs of this picture."""
        return self.schedule.count("C")


@dataclass(frozen=True)
class Example:
    """A prompt and its pictures, the uncached one first."""

    prompt: str
    seed: int
    pictures: list[Shown]


def write_page(
    path: Path, summary: dict[str, Any], examples: Sequence[Example], plot: Path | None
) -> None:
    """Write the page; `summary` is the benchmark's document, `plot` its PNG, if any."""
    path.write_text(build_page(summary, examples, plot and plot.read_bytes()), encoding="utf-8")


def build_page(summary: dict[str, Any], examples: Sequence[Example], plot: bytes | None) -> str:
    """Return the page as HTML."""
    uncached = examples[0].pictures[0] if examples else None
    counts = sorted(
        {shown.scheduled_runs for example in examples for shown in example.pictures[1:]} - {None},
        reverse=True,
    )
    parts = [
        f"<header><h1>{TITLE}</h1>{_introduction(summary)}</header>",
    ]
    if uncached is not None:
        parts.append(_pictures(examples, counts))
    if plot is not None:
        parts.append(
            '<section><h2>Likeness over transformer runs</h2><img class="plot" '
            f'src="{data_uri(plot)}" alt="Likeness of latents and pictures over transformer '
            'runs; the table has the figures"></section>'
        )
    return page(TITLE, [*parts, _table(summary["methods"])], STYLE, SCRIPT)


TITLE = "Skipping transformer runs: what it does to the picture"
NOTHING = "-"


def _introduction(summary: dict[str, Any]) -> str:
    return (
        f"<p>Model <b>{escape(str(summary['model']))}</b>, {summary['steps']} steps, "
        f"{summary['count']} prompts that no plan was calibrated on. Every picture is compared "
        "with the one in which each step ran the transformer. Latents: signal-to-error ratio of "
        "the final latents in dB. PSNR: of the 8-bit pictures in dB. 100 stands for equal.</p>"
    )


# --- pictures ------------------------------------------------------------------------------------


def _pictures(examples: Sequence[Example], counts: Sequence[int]) -> str:
    prompts = "".join(
        f'<option value="{i}">{escape(example.prompt)}</option>'
        for i, example in enumerate(examples)
    )
    choices = [(str(count), f"{count} runs") for count in counts]
    if any(shown.scheduled_runs is None for shown in examples[0].pictures):
        choices.append(("own", "decided while drawing"))
    radios = "".join(
        f'<label><input type="radio" name="runs" value="{value}"'
        f"{' checked' if i == 0 else ''}><span>{label}</span></label>"
        for i, (value, label) in enumerate(choices)
    )
    articles = "".join(_example(i, example, choices) for i, example in enumerate(examples))
    return (
        '<section id="pictures"><h2>Pictures</h2><form class="controls scripted">'
        f'<label class="field">Prompt <select id="prompt">{prompts}</select></label>'
        f'<fieldset><legend>Transformer runs</legend><div class="choices">{radios}</div>'
        f"</fieldset></form>{SLIDER}{articles}"
        '<p class="legend"><span class="cell run"></span> transformer run '
        '<span class="cell"></span> step without one</p></section>'
    )


def _example(number: int, example: Example, choices: Sequence[tuple[str, str]]) -> str:
    uncached, *others = example.pictures
    groups = []
    for value, label in choices:
        wanted = None if value == "own" else int(value)
        cards = "".join(_card(shown) for shown in others if shown.scheduled_runs == wanted)
        groups.append(
            f'<div class="group" data-runs="{value}"><h4>{escape(label)}</h4>'
            f'<div class="cards">{_card(uncached)}{cards}</div></div>'
        )
    return (
        f'<article data-prompt="{number}"><h3>{escape(example.prompt)} '
        f"<small>seed {example.seed}</small></h3>{''.join(groups)}</article>"
    )


def _card(shown: Shown) -> str:
    name = f"{shown.family}, {shown.setting}"
    figures = (
        f'<span class="figures">latents <b>{_decibels(shown.latents_db)}</b></span>'
        f'<span class="figures">PSNR {_decibels(shown.psnr_db)}</span>'
    )
    wrong = '<span class="wrong">shows something else</span>' if shown.right is False else ""
    if "." not in shown.schedule and shown.psnr_db >= 100:
        figures = '<span class="figures">the picture to be like</span>'
    return (
        f'<figure data-name="{escape(name)}"><img src="{data_uri(png(shown.picture))}" '
        f'alt="{escape(name)}"><figcaption><span class="name">{escape(shown.family)}</span>'
        f'<span class="setting">{escape(shown.setting)}, {shown.runs} runs</span>'
        f"{figures}{wrong}{_timeline(shown.schedule)}"
        "</figcaption></figure>"
    )


def _timeline(schedule: str) -> str:
    cells = "".join(
        f'<span class="cell{" run" if letter == "C" else ""}"></span>' for letter in schedule
    )
    return (
        f'<span class="timeline" role="img" aria-label="steps: {escape(schedule)}">{cells}</span>'
    )


def png(picture: np.ndarray) -> bytes:
    """Encode a picture, uint8 (height, width, 3)."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _decibels(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f} dB"


# --- tables --------------------------------------------------------------------------------------


def _table(rows: Sequence[dict[str, Any]]) -> str:
    heads = (
        "<th>Method</th><th>Setting</th><th>Runs</th><th>Latents dB</th><th>p10</th><th>worst</th>"
        "<th>PSNR dB</th><th>p10</th><th>worst</th><th>SSIM</th><th>p10</th><th>worst</th>"
        "<th>Right</th><th>Steps</th>"
    )
    lines = []
    for row in rows:
        cells = [f"{row['runs']:.1f}"]
        for name, digits in (("latents_db", 1), ("psnr_db", 1), ("ssim", 4)):
            values = row[name]
            cells += [
                NOTHING if values is None else f"{values[which]:.{digits}f}"
                for which in ("mean", "p10", "worst")
            ]
        cells.append(NOTHING if row["right"] is None else f"{row['right']:.0%}")
        numbers = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(
            f'<tr><th scope="row">{escape(row["family"])}</th><td>{escape(row["setting"])}</td>'
            f"{numbers}<td>{_timeline(row['schedule'])}</td></tr>"
        )
    return (
        "<section><h2>All figures</h2><p>Means over prompts, their 10th percentile (p10) and the "
        "worst prompt. The steps are those of the first prompt; methods that decide while drawing "
        "may differ in others.</p>"
        f'<div class="scroll"><table class="figures"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div></section>"
    )


# --- style and script ----------------------------------------------------------------------------

STYLE, SCRIPT = (
    Path(__file__).with_suffix(ending).read_text(encoding="utf-8") for ending in (".css", ".js")
)
SLIDER = """
<div class="compare scripted">
  <div class="pickers">
    <label class="field">Left <select id="left"></select></label>
    <label class="field">Right <select id="right"></select></label>
    <label class="check"><input type="checkbox" id="difference"> difference, 8 times</label>
  </div>
  <div class="stage" id="stage">
    <img id="under" alt=""><img id="over" alt=""><span class="handle" id="handle"></span>
  </div>
  <input type="range" id="slider" min="0" max="100" value="50"
    aria-label="How much of the left picture is shown">
</div>
"""
