"""Write what `benchmark_quality.py` found as one page: pictures to compare, schedules, figures.

The page is a single file that loads nothing: pictures are data URIs, style and script are inline.
Without JavaScript it shows everything at once; with it, one prompt and one number of transformer
runs at a time.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


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
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{TITLE}</title><style>{STYLE}</style></head><body><main>",
        f"<header><h1>{TITLE}</h1>{_introduction(summary)}</header>",
    ]
    if uncached is not None:
        parts.append(_pictures(examples, counts))
    if plot is not None:
        parts.append(
            '<section><h2>Likeness over transformer runs</h2><img class="plot" '
            f'src="{_data_uri(plot)}" alt="Likeness of latents and pictures over transformer '
            'runs; the table has the figures"></section>'
        )
    if summary["targets"]:
        parts.append(_targets(summary["targets"]))
    parts += [_table(summary["methods"]), f"</main><script>{SCRIPT}</script></body></html>"]
    return "\n".join(parts)


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
        f'<figure data-name="{escape(name)}"><img src="{_data_uri(png(shown.picture))}" '
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


def _data_uri(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


def _decibels(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f} dB"


# --- tables --------------------------------------------------------------------------------------


def _targets(targets: Sequence[dict[str, Any]]) -> str:
    words = {True: "met", False: "missed", None: "not measured"}
    lines = "".join(
        f'<tr class="{words[target["passed"]].split()[0]}"><td>{words[target["passed"]]}</td>'
        f"<td>{escape(target['target'])}</td><td>{_signed(target['value'])}</td>"
        f"<td>{_signed(target['needed'])}</td></tr>"
        for target in targets
    )
    return (
        '<section><h2>Targets</h2><div class="scroll"><table><thead><tr><th>Result</th>'
        "<th>Likeness of the latents</th><th>dB</th><th>needed</th></tr></thead>"
        f"<tbody>{lines}</tbody></table></div></section>"
    )


def _signed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.2f}"


def _table(rows: Sequence[dict[str, Any]]) -> str:
    heads = (
        "<th>Method</th><th>Setting</th><th>Runs</th><th>Latents dB</th><th>worst</th>"
        "<th>PSNR dB</th><th>worst</th><th>SSIM</th><th>worst</th><th>Right</th><th>Steps</th>"
    )
    lines = []
    for row in rows:
        cells = [f"{row['runs']:.1f}"]
        for name, digits in (("latents_db", 1), ("psnr_db", 1), ("ssim", 4)):
            values = row[name]
            cells += [
                NOTHING if values is None else f"{values[which]:.{digits}f}"
                for which in ("mean", "worst")
            ]
        cells.append(NOTHING if row["right"] is None else f"{row['right']:.0%}")
        numbers = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(
            f'<tr><th scope="row">{escape(row["family"])}</th><td>{escape(row["setting"])}</td>'
            f"{numbers}<td>{_timeline(row['schedule'])}</td></tr>"
        )
    return (
        "<section><h2>All figures</h2><p>Means over prompts and the worst prompt. The steps are "
        "those of the first prompt; methods that decide while drawing may differ in others.</p>"
        f'<div class="scroll"><table class="figures"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div></section>"
    )


# --- style and script ----------------------------------------------------------------------------

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

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1f23; --soft: #626a73;
  --line: #e1e4e8; --panel: #f6f7f9; --accent: #1f5fbf; --run: #2a67c4; --skip: #d8dde4;
  --bad: #b3261e; --good: #1a7f4b; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181c; --ink: #e6e8eb; --soft: #9aa3ad; --line: #2d333a; --panel: #1d2126;
    --accent: #7fb0ff; --run: #6ea4f5; --skip: #3a424c; --bad: #ff8a80; --good: #6fd39b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
h4 { font-size: .9rem; margin: 1rem 0 .5rem; color: var(--soft); font-weight: 600; }
.js h4 { display: none; }
small, header p, section > p { color: var(--soft); font-weight: 400; }
header p, section > p { max-width: 46rem; }
[hidden] { display: none !important; }
.scripted { display: none; }
.js .scripted { display: block; }
.js form.controls { display: flex; flex-wrap: wrap; gap: .75rem 1.5rem; align-items: end; }
.field { display: flex; flex-direction: column; gap: .25rem; font-size: .8rem;
  color: var(--soft); min-width: 0; flex: 0 1 22rem; }
select { font: inherit; font-size: .9rem; color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-radius: 6px; padding: .4rem .5rem; width: 100%; }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
legend { font-size: .8rem; color: var(--soft); padding: 0; margin-bottom: .25rem; }
.choices { display: flex; flex-wrap: wrap; gap: .35rem; }
.choices input { position: absolute; opacity: 0; }
.choices span { display: block; padding: .4rem .7rem; border: 1px solid var(--line);
  border-radius: 6px; font-size: .9rem; line-height: 1.25; cursor: pointer; }
.choices input:checked + span { border-color: var(--accent); color: var(--accent);
  font-weight: 600; }
.choices input:focus-visible + span, select:focus-visible, input:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px; }
.compare { background: var(--panel); border-radius: 10px; padding: 1rem; margin: 1.25rem 0; }
.pickers { display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: end;
  justify-content: center; margin-bottom: 1rem; }
.check { font-size: .9rem; padding: .4rem 0; }
.stage { position: relative; width: min(100%, 400px); margin: 0 auto; overflow: hidden;
  border-radius: 4px; touch-action: pan-y; cursor: ew-resize; line-height: 0; }
.stage img { width: 100%; user-select: none; -webkit-user-drag: none; }
#over { position: absolute; inset: 0; height: 100%; }
.handle { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px;
  background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / .45); pointer-events: none; }
.stage.difference { background: #000; isolation: isolate; filter: brightness(8); }
.stage.difference #over { mix-blend-mode: difference; clip-path: none !important; }
.stage.difference .handle { display: none; }
#slider { display: block; width: min(100%, 400px); margin: .75rem auto 0;
  accent-color: var(--accent); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr));
  gap: 1.25rem 1rem; }
figure { margin: 0; }
figure img { width: 100%; display: block; border-radius: 4px; border: 1px solid var(--line); }
figcaption { display: flex; flex-direction: column; margin-top: .4rem; font-size: .82rem;
  line-height: 1.4; }
.name { font-weight: 600; font-size: .9rem; }
.setting, .figures { color: var(--soft); font-variant-numeric: tabular-nums; }
.figures b { color: var(--ink); }
.wrong { color: var(--bad); }
.timeline { display: flex; gap: 1px; margin-top: .3rem; }
.cell { flex: 1 1 0; min-width: 2px; height: 9px; background: var(--skip); border-radius: 1px; }
.run { background: var(--run); }
.legend { display: flex; align-items: center; gap: .4rem; font-size: .82rem; }
.legend .cell { flex: none; width: 9px; }
.legend .cell:not(.run) { margin-left: 1rem; }
.plot { width: 100%; background: #fff; border-radius: 8px; border: 1px solid var(--line); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .84rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .6rem .32rem 0; text-align: left; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 600; }
table.figures td:nth-child(n + 3):nth-child(-n + 10),
table.figures thead th:nth-child(n + 3):nth-child(-n + 10) { text-align: right; }
table .timeline { width: 190px; margin: 0 0 0 1rem; }
table.figures thead th:last-child { padding-left: 1rem; }
tr.met td:first-child { color: var(--good); font-weight: 600; }
tr.missed td:first-child { color: var(--bad); font-weight: 600; }
"""

SCRIPT = """
const root = document.getElementById("pictures");
if (root) {
  document.documentElement.classList.add("js");
  const by = (id) => document.getElementById(id);
  const articles = [...root.querySelectorAll("article")];
  const shownFigures = () => {
    const article = articles[by("prompt").value];
    const runs = root.querySelector("input[name=runs]:checked").value;
    const group = [...article.querySelectorAll(".group")].find((g) => g.dataset.runs === runs);
    return [...group.querySelectorAll("figure")];
  };
  const place = () => {
    const at = by("slider").value;
    by("over").style.clipPath = `inset(0 ${100 - at}% 0 0)`;
    by("handle").style.left = `${at}%`;
  };
  const load = () => {
    const figures = shownFigures();
    for (const [picker, image] of [["left", "over"], ["right", "under"]]) {
      const figure = figures[by(picker).value];
      by(image).src = figure.querySelector("img").src;
      by(image).alt = figure.dataset.name;
    }
    by("stage").classList.toggle("difference", by("difference").checked);
    by("slider").disabled = by("difference").checked;
    place();
  };
  const fill = (picker, figures, fallback) => {
    const select = by(picker);
    const before = select.selectedOptions[0]?.dataset.family;
    select.replaceChildren(...figures.map((figure, i) => {
      const option = new Option(figure.dataset.name, i);
      option.dataset.family = figure.querySelector(".name").textContent;
      return option;
    }));
    const same = [...select.options].findIndex((option) => option.dataset.family === before);
    select.value = same >= 0 ? same : Math.min(fallback, figures.length - 1);
  };
  const change = () => {
    const runs = root.querySelector("input[name=runs]:checked").value;
    articles.forEach((article, i) => {
      article.hidden = String(i) !== by("prompt").value;
      article.querySelectorAll(".group").forEach((g) => { g.hidden = g.dataset.runs !== runs; });
    });
    const figures = shownFigures();
    const native = figures.findIndex((figure) => figure.dataset.name.startsWith("native"));
    fill("left", figures, 0);
    fill("right", figures, native > 0 ? native : 1);
    load();
  };
  root.querySelector("form").addEventListener("change", change);
  for (const id of ["left", "right", "difference"]) by(id).addEventListener("change", load);
  by("slider").addEventListener("input", place);
  const drag = (event) => {
    if (event.buttons !== 1 && event.type !== "pointerdown") return;
    const box = by("stage").getBoundingClientRect();
    const at = 100 * (event.clientX - box.left) / box.width;
    by("slider").value = Math.max(0, Math.min(100, at));
    place();
  };
  by("stage").addEventListener("pointerdown", drag);
  by("stage").addEventListener("pointermove", drag);
  change();
}
"""
