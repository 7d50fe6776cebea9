"""A page of pictures: one HTML file that loads nothing, its pictures data URIs."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

STYLE = """\
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1f23; --soft: #626a73;
  --line: #e1e4e8; --panel: #f6f7f9; --accent: #1f5fbf; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181c; --ink: #e6e8eb; --soft: #9aa3ad; --line: #2d333a; --panel: #1d2126;
    --accent: #7fb0ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
small, header p, section > p { color: var(--soft); font-weight: 400; }
header p, section > p { max-width: 46rem; }
[hidden] { display: none !important; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr));
  gap: 1.25rem 1rem; }
figure { margin: 0; }
figure img { width: 100%; display: block; border-radius: 4px; border: 1px solid var(--line); }
figcaption { display: flex; flex-direction: column; margin-top: .4rem; font-size: .82rem;
  line-height: 1.4; }
.name { font-weight: 600; font-size: .9rem; }
.setting, .figures { color: var(--soft); font-variant-numeric: tabular-nums; }
.figures b { color: var(--ink); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .84rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .6rem .32rem 0; text-align: left; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 600; }
"""


def page(title: str, parts: Iterable[str], style: str = "", script: str = "") -> str:
    """Return a page as HTML.

    Args:
        parts: HTML, in which what comes from elsewhere is escaped already.
        style, script: CSS after `STYLE`, and JavaScript.
    """
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body><main>",
            *parts,
            "</main>" + (f"<script>{script}</script>" if script else "") + "</body></html>",
        ]
    )


def data_uri(image: bytes, kind: str = "png") -> str:
    """Return an encoded picture as what the `src` of an `img` may be."""
    return f"data:image/{kind};base64," + base64.b64encode(image).decode("ascii")
