"""A page of two folders' pictures side by side, with their difference, the worst first."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .comparison import AMPLIFICATION, amplified_difference
from .page import data_uri, page
from .pairs import PairLikeness, read_pixels, summarize_pairs
from .quality import MOST_DB

MOST_SHOWN = 200  # pairs whose pictures are on the page, of which each takes some 60 kB
SIDE = 384  # pixels at most of a picture on the page
MEASURES = {
    "psnr_db": ("PSNR", "{:.2f} dB"),
    "ssim": ("SSIM", "{:.4f}"),
    "gmsd": ("GMSD", "{:.4f}"),
    "mean_difference": ("mean difference", "{:.2f}"),
    "most_difference": ("largest difference", "{:.0f}"),
}
EXPLAINED = (
    f"PSNR in dB: peak signal-to-noise ratio; {MOST_DB:.0f} stands for equal. SSIM: structural "
    "similarity (Wang et al. 2004); 1 if equal. GMSD: gradient magnitude similarity deviation (Xue "
    "et al. 2014); 0 if equal. Differences are of values from 0 to 255. The worst tenth begins at "
    "the 10th percentile of PSNR and SSIM and the 90th of the others."
)
STYLE = """
article { border-top: 1px solid var(--line); padding-bottom: 1rem; }
.three { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1rem; }
figcaption { color: var(--soft); }
td { text-align: right; } td:last-child { text-align: left; padding-left: 1rem; }
thead th:not(:first-child):not(:last-child) { text-align: right; }
thead th:last-child { padding-left: 1rem; }
h3 { overflow-wrap: anywhere; }
"""


def pairs_html(
    titles: Sequence[str],
    pairs: Sequence[PairLikeness],
    left_out: Sequence[str] = (),
    most: int = MOST_SHOWN,
) -> str:
    """Return the page as HTML; the pictures are read again.

    Args:
        titles: of the two folders.
        left_out: sentences about what is not shown.
        most: pairs that are shown by their pictures; the others by their figures only.

    Raises:
        ValueError: if a picture cannot be read any more, or has another size.
    """
    ordered = sorted(pairs, key=lambda pair: pair.psnr_db)
    shown, rest = ordered[:most], ordered[most:]
    first, second = map(escape, titles)
    parts = [
        f"<header><h1>{first}, and {second}</h1><p>{len(pairs)} pairs of pictures of one name, the "
        f"worst by PSNR first. {EXPLAINED}</p></header>",
        f"<section><h2>All pairs</h2>{_summary(summarize_pairs(pairs))}</section>",
        "<section><h2>Pictures</h2>",
        *(_article(pair, titles) for pair in shown),
        "</section>",
    ]
    if rest:
        rows = "".join(
            f'<tr><th scope="row">{escape(pair.stem)}</th>'
            + "".join(f"<td>{_told(pair, measure)}</td>" for measure in MEASURES)
            + "<td></td></tr>"
            for pair in rest
        )
        heads = "".join(f"<th>{title}</th>" for title, _ in MEASURES.values())
        parts.append(
            f'<section><h2>The {len(rest)} pairs that are more alike</h2><div class="scroll">'
            f"<table><thead><tr><th>Name</th>{heads}<th></th></tr></thead><tbody>{rows}</tbody>"
            "</table></div></section>"
        )
    if left_out:
        lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in left_out)
        parts.append(f"<section><h2>Left out</h2><ul>{lines}</ul></section>")
    return page(f"{titles[0]}, and {titles[1]}", parts, STYLE)


def _told(pair: PairLikeness, measure: str) -> str:
    return MEASURES[measure][1].format(getattr(pair, measure))


def _summary(summary: dict[str, dict[str, Any]]) -> str:
    rows = []
    for measure, (title, form) in MEASURES.items():
        row = summary[measure]
        cells = "".join(
            f"<td>{form.format(row[which])}</td>" for which in ("mean", "worst_tenth", "worst")
        )
        rows.append(
            f'<tr><th scope="row">{title}</th>{cells}<td>{escape(row["worst_pair"])}</td></tr>'
        )
    return (
        '<div class="scroll"><table><thead><tr><th>Measure</th><th>Mean</th><th>Worst tenth</th>'
        "<th>Worst</th><th>Worst pair</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _article(pair: PairLikeness, titles: Sequence[str]) -> str:
    a, b = read_pixels(pair.first), read_pixels(pair.second)
    if a.shape != b.shape:
        raise ValueError(f"{pair.first} or {pair.second} has changed while it was compared")
    panels = zip(
        (a, b, amplified_difference(a, b)),
        (*titles, f"difference x{AMPLIFICATION}"),
        strict=True,
    )
    figures = "".join(
        f'<figure><img src="{data_uri(_thumbnail(pixels), "webp")}" alt="{escape(title)}">'
        f"<figcaption>{escape(title)}</figcaption></figure>"
        for pixels, title in panels
    )
    told = ", ".join(f"{title} {_told(pair, name)}" for name, (title, _) in MEASURES.items())
    return (
        f"<article><h3>{escape(pair.stem)} <small>{pair.width}x{pair.height}</small></h3>"
        f'<p class="figures">{told}</p><div class="three">{figures}</div></article>'
    )


def _thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=90)
    return buffer.getvalue()
