"""Compare the names of taylorseer_ov with those of openvino_genai's image generation.

    python -m scripts.names            # write docs/openvino-genai.md
    python -m scripts.names --check    # only say what is wrong with it

The verdicts are written by hand, in `scripts/names.txt`. What both modules have is asked of them:
it is an error

- if openvino_genai has a public name, or a class or method there a member or parameter, that the
  verdicts do not have;
- if a verdict is about a name that openvino_genai does not have;
- if a name that is the same or better is missing here, or takes other parameters;
- if a name that is said not to be here is here.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from taylorseer_ov.version import installed_version, release

VERDICTS = Path(__file__).with_suffix(".txt")
PAGE = Path(__file__).parents[1] / "docs" / "openvino-genai.md"
PIPELINES = ("Text2ImagePipeline", "Image2ImagePipeline", "InpaintingPipeline")
ALL_PIPELINES = "*Pipeline."
OTHERS = "Not of image generation"
KINDS = ("same", "better", "own", "not")
# parameters of openvino_genai that have no name here, but a place
BY_PLACE = ("pipe",)
# public although they begin as private names do
DUNDERS = ("__version__",)


@dataclass(frozen=True)
class Verdict:
    """What is said of a name: `name` as it is written, `section` the heading it stands under."""

    section: str
    name: str
    kind: str
    words: str

    def names(self) -> list[str]:
        """Return the names that it is about."""
        if not self.name.startswith(ALL_PIPELINES):
            return [self.name]
        return [f"{pipeline}.{self.name[len(ALL_PIPELINES) :]}" for pipeline in PIPELINES]


def read_verdicts(text: str) -> tuple[list[Verdict], list[str]]:
    """Return the verdicts, and the names that are of no image generation.

    Raises:
        ValueError: for a line that is neither.
    """
    verdicts: list[Verdict] = []
    others: list[str] = []
    section = ""
    for line in text.splitlines():
        if line.startswith("# "):
            section = line[2:]
        elif section == OTHERS and line:
            others += line.partition(":")[2].split()
        elif section and line:
            fields = [field.strip() for field in line.split("|")]
            if len(fields) != 3 or fields[1] not in KINDS:
                raise ValueError(f"not NAME | {' or '.join(KINDS)} | words: {line!r}")
            verdicts.append(Verdict(section, *fields))
    return verdicts, others


def problems(
    verdicts: Sequence[Verdict], others: Sequence[str], theirs: Any, ours: Any
) -> list[str]:
    """Return what is wrong with verdicts about two modules, each in a sentence."""
    named = [(name, verdict.kind) for verdict in verdicts for name in verdict.names()]
    kinds = dict(named)
    said = {*kinds, *others}
    # of these no members are looked at
    opaque = {*others, *(name for name, kind in named if kind in ("own", "not"))}
    there = set(public_names(theirs, opaque)) | {name for name in opaque if has(theirs, name)}
    times = Counter(name for name, _ in named)
    found = [f"{name} has {count} verdicts" for name, count in times.items() if count > 1]
    found += [f"{name} is in openvino_genai and has no verdict" for name in sorted(there - said)]
    found += [f"{name} is not in openvino_genai" for name in sorted(said - there)]
    for name, kind in kinds.items():
        if kind == "not":
            if has(ours, name) and not refuses(member(ours, name)):
                found.append(f"{name} is here, but said not to be")
        elif not has(ours, name):
            found.append(f"{name} is not here, but said to be {kind!r}")
        elif kind != "own" and name in there:
            taken = parameters(member(ours, name))
            lacking = [part for part in native_parameters(theirs, name) if part not in taken]
            if taken and lacking:
                found.append(f"{name} does not take {', '.join(lacking)}")
    return found


def public_names(module: Any, opaque: set[str]) -> Iterator[str]:
    """Yield the names of a module that are public, and the members of classes but the opaque."""
    for name, value in vars(module).items():
        if not name.startswith("_") or name in DUNDERS:
            yield name
            if inspect.isclass(value) and name not in opaque:
                yield from (f"{name}.{part}" for part in dir(value) if not part.startswith("_"))


def member(module: Any, name: str) -> Any:
    """Return what a name stands for, None if only objects of the class have it."""
    value = module
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def has(module: Any, name: str) -> bool:
    """Whether a module has a name, or objects of its class are sure to have the member."""
    holder, _, part = name.rpartition(".")
    owner = member(module, holder) if holder else module
    return hasattr(owner, part) or part in getattr(owner, "__dataclass_fields__", ())


def refuses(value: Any) -> bool:
    """Whether a function is there only to say what to do instead."""
    return inspect.isfunction(value) and get_type_hints(value).get("return") is NoReturn


def parameters(value: Any) -> list[str]:
    """Return the names of what can be passed to a function or class, empty if it takes any."""
    if not callable(value):
        return []
    found = inspect.signature(value).parameters
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in found.values()):
        return []
    return list(found)


def native_parameters(module: Any, name: str) -> list[str]:
    """Return the names of what a function of openvino_genai takes, as its docstring has them."""
    value = member(module, name)
    function = value.__init__ if inspect.isclass(value) else value
    called = "__init__" if inspect.isclass(value) else name.rpartition(".")[2]
    if not callable(value):
        return []
    signatures = re.findall(rf"^(?:\d+\. )?{called}\((.*)\) -> ", function.__doc__ or "", re.M)
    named = re.findall(r"(?:^|, )(\w+): ", " , ".join(signatures))
    return [part for part in dict.fromkeys(named) if part not in ("self", *BY_PLACE)]


def page(verdicts: Sequence[Verdict], others: Sequence[str], version: str) -> str:
    """Return the page that shows the verdicts."""
    counts = dict.fromkeys(KINDS, 0)
    for verdict in verdicts:
        counts[verdict.kind] += len(verdict.names())
    lines = [
        "# Names of openvino_genai",
        "",
        f"Every public name of the image generation of openvino_genai {version}, and what it is",
        "here. Written by `python -m scripts.names`, which compares the two modules and fails",
        "where this is not so; a test runs it.",
        "",
        f"- **same** ({counts['same']}): used as in openvino_genai, with the same outcome",
        f"- **better** ({counts['better']}): used as in openvino_genai, and more or more exact",
        f"- **own** ({counts['own']}): openvino_genai's own object, handed through when it is used "
        "and installed",
        f"- **not** ({counts['not']}): not here",
    ]
    for section, rows in groupby(verdicts, key=lambda verdict: verdict.section):
        lines += ["", f"## {section}", "", "| name | here | |", "|---|---|---|"]
        for row in rows:
            name = row.name.replace(ALL_PIPELINES, "") if ALL_PIPELINES in row.name else row.name
            of_all = " of all three" if ALL_PIPELINES in row.name else ""
            lines.append(f"| `{name}`{of_all} | {row.kind} | {row.words} |")
    lines += ["", f"## {OTHERS}", "", f"{len(others)} other names of openvino_genai are for text, "]
    lines[-1] += "speech, video and the like; `scripts/names.txt` lists them."
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(argv).check
    theirs, ours = (importlib.import_module(name) for name in ("openvino_genai", "taylorseer_ov"))
    verdicts, others = read_verdicts(VERDICTS.read_text(encoding="utf-8"))
    found = problems(verdicts, others, theirs, ours)
    version = ".".join(map(str, release(installed_version("openvino-genai") or "", 3)))
    text = page(verdicts, others, version)
    if not check and not found:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        found.append(f"{PAGE.name} is not what the verdicts say; run python -m scripts.names")
    print(*found, sep="\n", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
