"""The lines of a batch: a prompt each, or JSON with a prompt and settings."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ..checks import known_settings, text
from ..generation.settings import CHECKS, UNUSED_BY_FLUX

LONGEST_LINE, LONGEST_NAME = 1 << 20, 100  # bytes
SHORT_NAMES = {"seed": "rng_seed", "steps": "num_inference_steps", "guidance": "guidance_scale"}
NAMES = sorted({"prompt", "name", *SHORT_NAMES, *CHECKS} - {"generator", "adapters"})  # in JSON
ACCEPTED = {*NAMES, "generator", "adapters", "callback", "taylorseer_config", *UNUSED_BY_FLUX}
PICTURES = ("image", "mask", "mask_image")  # what other commands and pipelines start from
RESERVED = {"con", "prn", "aux", "nul"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"
}


@dataclass(frozen=True)
class BatchLine:
    """What one line of a batch asks for.

    Attributes:
        number: of the line, from 1.
        prompt: what to draw.
        settings: of `generate`; those left out are the pipeline's.
        name: of the file without suffix, instead of one made from prompt and seed.
    """

    number: int
    prompt: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None

    @classmethod
    def of(cls, number: int, asked: str | Mapping[str, Any]) -> BatchLine:
        """Build from a prompt, or from a dictionary with `prompt`, settings and perhaps `name`.

        `seed`, `steps` and `guidance` are short for `rng_seed`, `num_inference_steps` and
        `guidance_scale`; `"cache": "off"` is None.

        Raises:
            TypeError, ValueError: if the prompt is missing, something is unknown or there twice,
                the name is not that of a file on every system, or it names a picture to start from.
        """
        if isinstance(asked, str):
            return cls(number, asked)
        settings = dict(asked)
        if "prompt" not in settings:
            raise ValueError("it has no prompt")
        for picture in PICTURES:
            if picture in settings:
                raise ValueError(
                    f"a batch draws from text, and it has {picture!r}; for pictures there is "
                    "taylorseer-ov generate --image"
                )
        known_settings(settings, ACCEPTED, told=NAMES)
        prompt, name = settings.pop("prompt"), settings.pop("name", None)
        for short, long in SHORT_NAMES.items():
            if short in settings:
                if long in settings:
                    raise ValueError(f"{short} and {long} are two names for one setting")
                settings[long] = settings.pop(short)
        if settings.get("cache") == "off":
            settings["cache"] = None
        return cls(number, prompt, settings, None if name is None else _file_name(name))


@dataclass(frozen=True)
class BadLine:
    """A line that cannot be drawn, and why.

    Attributes:
        number: of the line, from 1.
        error: what is wrong with it, as a sentence.
    """

    number: int
    error: str


def parse_lines(data: bytes, json_lines: bool | None = None) -> Iterator[BatchLine | BadLine]:
    """Read the lines of a prompt file that is in memory, as `read_lines` does."""
    return read_lines(io.BytesIO(data), json_lines)


def read_lines(file: BinaryIO, json_lines: bool | None = None) -> Iterator[BatchLine | BadLine]:
    """Read the lines of a prompt file as they are asked for; empty ones count but are left out.

    Nothing is raised for a line that cannot be read: it comes as a `BadLine`.

    Args:
        file: open in binary mode, UTF-8. Only the line that is read is in memory.
        json_lines: whether lines are JSON; if None, they are if the first one begins with `{`.
    """
    for number, row in enumerate(_rows(file), 1):
        if not row.strip():
            continue
        if json_lines is None:
            json_lines = row.lstrip().startswith(b"{")
        try:
            if len(row) > LONGEST_LINE:
                raise ValueError(f"it has more than {LONGEST_LINE} bytes")
            line = _decoded(row).strip()
            yield BatchLine.of(number, _parse_object(line) if json_lines else line)
        except (TypeError, ValueError) as error:
            yield BadLine(number, str(error))


def _rows(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines without their ends; of one that is too long, a part that is too long as well."""
    mark = b"\xef\xbb\xbf"
    while row := file.readline(LONGEST_LINE + len(mark) + 2):
        yield row.removeprefix(mark).removesuffix(b"\n")
        mark = b""
        while row and not row.endswith(b"\n"):
            row = file.readline(LONGEST_LINE)


def _decoded(row: bytes) -> str:
    try:
        return row.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is not UTF-8, in which prompts are read: byte {error.start + 1}"
        ) from None


def _parse_object(line: str) -> dict[str, Any]:
    try:
        values = json.loads(line, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError('it is not a JSON object such as {"prompt": "a red circle", "seed": 1}')
    return values


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("it has a name twice")
    return values


def _file_name(name: Any) -> str:
    """Check that a name can be a file's everywhere, and stays in its folder."""
    wrong = set(text("name", name)) & set('/\\:*?"<>|') or not name.isprintable()
    if wrong or not name or name[0] in ". " or name[-1] in ". ":
        raise ValueError(
            f'name must be that of a file, without / \\ : * ? " < > | and control characters, '
            f"and without a dot or blank at its ends, got {name!r:.80}"
        )
    if len(name.encode()) > LONGEST_NAME:
        raise ValueError(f"name must have at most {LONGEST_NAME} bytes, got {len(name.encode())}")
    if name.partition(".")[0].rstrip().lower() in RESERVED:
        raise ValueError(f"name must not be one that Windows reserves, got {name!r}")
    return str(name)
