"""What is asked for: lines of a batch, a folder in which one has run before, and arguments."""

from __future__ import annotations

import argparse
import json
import os
import random
from pathlib import Path
from typing import Any

from scripts.fuzz.hostile import ODD_FILES, SCALARS, damaged, damaged_json, edited, value
from taylorseer_ov.cli import build_parser

SETTINGS = (
    *("prompt", "name", "seed", "rng_seed", "steps", "num_inference_steps", "width", "height"),
    *("guidance", "cache", "max_sequence_length", "num_images_per_prompt", "strength", "adapters"),
    *("generator", "negative_prompt", "taylorseer_config", "callback", "unknown", ""),
)
LIKELY: dict[str, tuple[Any, ...]] = {
    "width": (16, 64, 128, 100, 0),
    "height": (16, 64, 128, 8, -16),
    "cache": ("off", "fast", None, "nowhere.json", {"cache_interval": 2}, {"tolerance": 0.1}),
    "num_images_per_prompt": (1, 2, 0, 10**6),
    "name": ("a", "../a", "con", "x" * 300, "manifest", ".taylorseer-batch", "a/b", "ä画🎨"),
}
WORDS = (
    *("", " ", "-1", "0", "1", "2", "3", "16", "64", "65536", "1e3", "0.5", "nan", "inf", "-inf"),
    *(
        "٣",
        "9" * 30,
        "0x10",
        "True",
        "None",
        "a",
        "ä画🎨",
        "-",
        "--",
        "..",
        ".",
        "a\nb",
        "\x1b[31m",
    ),
    *("x" * 5000, "\udcff", "off", "fast", "high", "CPU", "GPU", "NPU", "MULTI:CPU", "HETERO:CPU"),
    *("AUTO", "BATCH:CPU", "text=CPU", "text=GPU,vae=", "=", "f32", "bf16", "native", "python"),
    *("1/2", "0/0", "3/2", "KEY=VALUE", "INFERENCE_NUM_THREADS=0", "NUM_STREAMS=-1", "int4"),
    *("PERFORMANCE_HINT=FAST", "CACHE_DIR=/dev/null/x", "demo", "nobody/nothing", "nowhere"),
    *("/dev/null", "/dev/null/x", "/proc/1/mem", "../given", "../given/good.png"),
    *("../given/lines.txt", "../given/model", "out.jpg", "out.gif", "out/deep/er", "a\\b", "~"),
)
STARTS = (
    ["generate", "demo", "a red circle", "--steps", "1"],
    ["generate", "demo", "a red circle", "--steps", "1", "--image", "../given/good.png"],
    ["generate", "-C", "../given/good.png", "--steps", "1"],
    ["batch", "demo", "../given/lines.txt", "-o", "out", "--steps", "1"],
    ["compare", "demo", "a red circle", "--steps", "2"],
    ["compare", "../given", "../given"],
    ["calibrate", "demo", "--prompts", "../given/lines.txt", "--steps", "3", "--runs", "2"],
    *(["info", "demo"], ["info", "../given/good.png"], ["doctor", "demo"], ["doctor"]),
    *(["export", "../given/model", "out"], ["completion", "bash"], []),
)
LINES = "a red circle on black\na large blue square on white\na green star\n"


def hostile_lines(rng: random.Random, given: Path) -> list[str]:
    """Make a file of prompts, perhaps a manifest to go on from, and return the command."""
    path = given / f"asked{rng.choice(('.jsonl', '.jsonl', '.txt', ''))}"
    rows = [_line(rng) for _ in range(rng.choice((1, 3, 8)))]
    data = b"\n".join(rows) + rng.choice((b"", b"\n", b"\r\n\x00"))
    path.write_bytes(damaged(rng, data) if rng.random() < 0.15 else data)
    if rng.random() < 0.35:
        _begin_before(rng, given.parent / "here" / "out")
    options = rng.choice(([], ["--skip-bad-lines"], ["--skip-bad-lines"], ["--shard", "1/2"]))
    name = os.path.join(os.pardir, given.name, path.name)
    return ["batch", "demo", name, "-o", "out", "--steps", "1", *options]


def _line(rng: random.Random) -> bytes:
    choice = rng.random()
    if choice < 0.1:
        return rng.choice(ODD_FILES)[:100_000].replace(b"\n", b"")
    if choice < 0.2:
        return str(rng.choice(SCALARS)).encode("utf-8", "surrogatepass").replace(b"\n", b"")
    asked: dict[str, Any] = {"prompt": rng.choice(("a red circle", "a blue star on white"))}
    for name in rng.sample(SETTINGS, rng.choice((0, 1, 1, 2))):
        likely = LIKELY.get(name)
        asked[name] = rng.choice(likely) if likely and rng.random() < 0.6 else value(rng)
    return json.dumps(asked).encode()


def _begin_before(rng: random.Random, out: Path) -> None:
    """Make a folder in which a batch has been, or something that only looks like one."""
    state = out / ".taylorseer-batch"
    out.mkdir()
    if rng.random() < 0.1:
        state.write_bytes(b"a file")
    else:
        state.mkdir()
        for name in ("a.lock", "x-latents.npz", ".left.part", "lines.sqlite"):
            if rng.random() < 0.3:
                (state / name).write_bytes(rng.choice(ODD_FILES)[:1000])
    entry = {"key": "k", "line": 1, "prompt": "a", "status": "done", "files": ["a.png"]}
    entry |= {"sizes": [3], "seconds": 1.0, "error": None}
    rows = [{"format": "taylorseer_ov.batch/1"}, entry, edited(rng, entry)]
    if rng.random() < 0.5:
        rows = edited(rng, rows)
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    manifest = out / "manifest.jsonl"
    if rng.random() < 0.1:
        manifest.mkdir()
    else:
        manifest.write_bytes(damaged_json(rng, data) if rng.random() < 0.3 else data)


def hostile_arguments(rng: random.Random, given: Path) -> list[str]:
    """Return arguments of a command, some of them strange."""
    (given / "lines.txt").write_text(LINES, encoding="utf-8")
    words = list(rng.choice(STARTS))
    options = _options(words[0]) if words else ["-h", "--version"]
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        added = [rng.choice(WORDS)]
        if rng.random() < 0.75:
            added.insert(0, rng.choice(options))
        place = rng.randrange(1, len(words) + 1) if words else 0
        words[place:place] = added
    if words and rng.random() < 0.1:
        del words[rng.randrange(len(words))]
    return words


def _options(command: str) -> list[str]:
    actions = build_parser()._actions
    (commands,) = (found for found in actions if isinstance(found, argparse._SubParsersAction))
    # which is to show tracebacks
    return sorted({*commands.choices[command]._option_string_actions} - {"--debug"})
