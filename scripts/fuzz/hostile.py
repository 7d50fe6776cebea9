"""Values that programs stumble over, and ways to damage what was whole."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

TEXTS = (
    *(
        "",
        " ",
        "a",
        "0",
        "NaN",
        "null",
        "ä画🎨",
        "\ud800",
        "\x00",
        "\x1b[2J\x1b]0;title\x07",
        "\r\n",
    ),
    *("../../etc/passwd", "/etc/passwd", "C:\\windows", "con", ".", "~", "%s%n", "{}", "${HOME}"),
    *("x" * 300, "ab " * 30_000, "(" * 2000, "9" * 5000, "\u202e\u0000\ufeff", "FluxPipeline"),
)
NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 255, 2**31 - 1, 2**31, 2**63, -(2**63) - 1, 10**400, 10**30),
    *(0.5, -0.0, 1e-320, 1e16, 1e308, float("nan"), float("inf"), float("-inf")),
)
SCALARS = (None, True, False, *NUMBERS, *TEXTS)
ODD_FILES = (
    *(b"", b"{", b"[" * 200_000, b"9" * 5000, b"null", b"\x00" * 4096, b'{"a": NaN}', b"{}{}"),
    *(b"\xef\xbb\xbf{}", '{"a": "ä"}'.encode("utf-16"), b"\xff\xfe\xfd", b"[]", b'{"a":1,"a":2}'),
    *(b'{"a": ' * 50_000, b"[" + b"0," * 500_000 + b"0]", b'"' + b"x" * 2_000_000 + b'"'),
)


def value(rng: random.Random, depth: int = 0) -> Any:
    """Return what JSON can hold, of any type."""
    choice = rng.random()
    if choice < 0.8 or depth > 3:
        return rng.choice(SCALARS)
    if choice < 0.9:
        return [value(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 5)))]
    if choice < 0.98:
        names = [str(rng.choice(TEXTS))[:40] for _ in range(rng.choice((0, 1, 3)))]
        return {name: value(rng, depth + 1) for name in names}
    return [rng.choice(NUMBERS)] * 20_000


def edited(rng: random.Random, document: Any) -> Any:
    """Return a document in which one place is another: replaced, removed, doubled or added to."""
    document = copy.deepcopy(document)
    places = list(_places(document))
    if not places:
        return value(rng)
    holder, key = rng.choice(places)
    action = rng.choice(("replace", "replace", "replace", "replace", "remove", "add", "near"))
    if action == "remove":
        del holder[key]
    elif action == "add" and isinstance(holder, dict):
        holder[str(rng.choice(TEXTS))[:40]] = value(rng)
    elif action == "near" and isinstance(holder[key], (int, float)):
        holder[key] = rng.choice((-1, 0, 0.5, 2, 1000)) * holder[key] + rng.choice((0, 1, -1))
    else:
        holder[key] = value(rng)
    return document


def _places(document: Any) -> Any:
    keys = list(document) if isinstance(document, dict) else range(len(document))
    for key in keys[:50] if isinstance(keys, range) else keys:
        yield document, key
        if isinstance(document[key], (dict, list)):
            yield from _places(document[key])


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Return bytes some of which are missing, others, doubled, or too many."""
    begin = rng.randrange(len(data) + 1)
    length = rng.choice((1, 4, 30, 1000, len(data)))
    middle = data[begin : begin + length]
    others = {
        "cut": b"",
        "noise": rng.randbytes(len(middle)),
        "zeros": bytes(len(middle)),
        "twice": middle * 2,
        "grown": middle + rng.randbytes(rng.choice((1, 4000))),
        "flipped": bytes(byte ^ 1 << rng.randrange(8) for byte in middle[:4]) + middle[4:],
    }
    if rng.random() < 0.2:
        return data[:begin]
    return data[:begin] + others[rng.choice(sorted(others))] + data[begin + length :]


def damaged_json(rng: random.Random, data: bytes) -> bytes:
    """Return a JSON file that is another: as a document mostly, else as bytes."""
    choice = rng.random()
    if choice < 0.15:
        return rng.choice(ODD_FILES)
    if choice < 0.3:
        return damaged(rng, data)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):  # damaged before
        return damaged(rng, data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        document = edited(rng, document) if isinstance(document, (dict, list)) else value(rng)
    return json.dumps(document).encode()
