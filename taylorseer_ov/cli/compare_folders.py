"""`taylorseer-ov compare DIR DIR`: how alike pictures are that are drawn already."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import similar_folder
from . import options
from .console import Console, MisuseError, printable

if TYPE_CHECKING:
    from ..pictures.pairs import PairLikeness

# options of `compare` that two folders have use for
USED = {"help", "page", "json", "quiet", "debug"}
MOST_TOLD = 10  # of what is left out; the page and the events have all


def are_folders(arguments: argparse.Namespace) -> bool:
    """Whether two folders are given in the place of a model and a prompt.

    Raises:
        MisuseError: if only the first of them is there, and has pictures and no model.
    """
    if len(arguments.words) != 2 or arguments.model is not None:
        return False
    first, second = arguments.words
    # a prompt may be longer than the name of any file, of which Path's is_dir complains
    if not os.path.isdir(first) or os.path.exists(os.path.join(first, "model_index.json")):
        return False
    if not os.path.isdir(second) and _has_pictures(Path(first)):
        raise MisuseError(
            f"{first} has pictures and no model, and there is no folder {second!r} to compare them "
            f"with{similar_folder(Path(second))}"
        )
    return os.path.isdir(second)


def _has_pictures(folder: Path) -> bool:
    from ..pictures.formats import SUFFIXES

    return any(path.suffix.lower() in SUFFIXES for path in folder.iterdir())


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Compare all pairs; say what each measure is and write the page, if there is to be one."""
    from ..pictures.pairs import pair_pictures

    unused = [
        action.option_strings[-1]
        for action in arguments.of_command._actions
        if action.option_strings
        and action.dest not in USED
        and getattr(arguments, action.dest) != action.default
    ]
    if unused:
        raise MisuseError(f"two folders are compared as they are, without {', '.join(unused)}")
    folders = arguments.words
    page = None if arguments.page is None else _check_page(arguments.page)
    found = pair_pictures(*folders)
    pairs, left_out = _compare(found.pairs, console)
    left_out = found.left_out + left_out
    for sentence in left_out[:MOST_TOLD]:
        console.warn(f"left out: {printable(sentence)}")
    if len(left_out) > MOST_TOLD:
        console.warn(f"left out: {len(left_out) - MOST_TOLD} more")
    if not pairs:
        raise MisuseError(f"{folders[0]} and {folders[1]} have no pictures of one name and size")
    _tell(pairs, left_out, console)
    if page is not None:
        _write_page(page, folders, pairs, left_out, console)


def _check_page(path: Path) -> Path:
    if path.suffix.lower() not in (".html", ".htm"):
        raise MisuseError(f"the page must end in .html, got {str(path)!r}")
    if path.exists():
        raise MisuseError(f"{path} exists already; choose another --page")
    options.writable_folder(path.parent, "--page")
    return path


def _compare(
    files: list[tuple[Path, Path]], console: Console
) -> tuple[list[PairLikeness], list[str]]:
    """Measure every pair, and say of which that is not possible."""
    from tqdm import tqdm

    from ..pictures.pairs import pair_likeness

    pairs, left_out = [], []
    # None: only a terminal is shown how far it is
    for first, second in tqdm(
        files, "comparing", disable=True if console.json or console.quiet else None
    ):
        try:
            pair = pair_likeness(first, second)
        except (ValueError, OSError) as error:
            left_out.append(str(error))
            continue
        pairs.append(pair)
        console.event("pair", **pair.to_dict())
    return pairs, left_out


def _tell(pairs: list[PairLikeness], left_out: list[str], console: Console) -> None:
    from ..pictures.pairs import summarize_pairs
    from ..pictures.pairs_page import MEASURES

    summary = summarize_pairs(pairs)
    console.say(f"{len(pairs)} pairs; tenth: where the worst tenth of them begins")
    console.say(f"{'':20}{'mean':>10}{'tenth':>10}{'worst':>10}  worst pair")
    for name, (title, form) in MEASURES.items():
        row = summary[name]
        told = "".join(f"{form.format(row[k]):>10}" for k in ("mean", "worst_tenth", "worst"))
        console.say(f"{title:20}{told}  {printable(row['worst_pair'])}")
    console.event("summary", pairs=len(pairs), left_out=left_out, measures=summary)


def _write_page(
    path: Path, folders: list[str], pairs: list[PairLikeness], left_out: list[str], console: Console
) -> None:
    from ..files import write_new
    from ..pictures.pairs_page import pairs_html

    html = pairs_html(folders, pairs, left_out)
    write_new(path, html.encode("utf-8", "replace"))
    console.say(f"wrote {path}")
    console.event("page", path=str(path))
