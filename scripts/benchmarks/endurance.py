"""Are memory, open files and threads the same after 500 pictures?

    python -m scripts.benchmarks.endurance [--count 500] [--ways python native ...]

Each way has a process of its own, and draws as many pictures of the demo model:

- python, native: a backend, with prompts, seeds and caches in turn, every picture saved and read
- edited: from a picture and inside of a mask, in turn, with the models of one pipeline
- sizes: seven sizes in turn, the most of them twice as wide as the least
- batch: as many lines, in sittings of 25, with what was drawn before in the folder
- anew: a pipeline for each tenth picture, let go of after it

After each picture it notes private memory (RssAnon), descriptors, threads and files in the folder
for temporary ones. What a run begins with is not counted: the second quarter is compared with the
last one, by medians. Memory may be larger by 2 % and a MiB, all else must be equal. Linux only.

Prints a table, then one line of JSON. Exit status: 0, 1 if something has grown.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from scripts.benchmarks.measuring import print_table, process
from taylorseer_ov import (
    ErrorControl,
    Image2ImagePipeline,
    InpaintingPipeline,
    Recipe,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    run_batch,
)

COLOURS = ("red", "blue", "green", "yellow", "white")
SHAPES = ("circle", "square", "triangle", "star")
STEPS = 6
CACHES = (None, TaylorSeerCacheConfig(2, 1, -1), ErrorControl(0.05))
SIZES = ((128, 128), (64, 64), (128, 64), (96, 112), (64, 128), (80, 80), (112, 96))
SITTING = 25
ALLOWED_SHARE, ALLOWED_MIB = 0.02, 1.0


def asked(number: int) -> dict[str, Any]:
    """Settings of a picture, which repeat after 20 of them but for the seed."""
    colour, shape = COLOURS[number % len(COLOURS)], SHAPES[number % len(SHAPES)]
    return {
        "prompt": f"a large {colour} {shape} on a black background",
        "rng_seed": number,
        "num_inference_steps": STEPS,
    }


def drawn_by(backend: str, folder: Path) -> Iterator[None]:
    """Draw text to image with every cache that a backend has, save and read."""
    pipeline = Text2ImagePipeline("demo", "CPU", backend=backend)
    caches = CACHES if backend == "python" else CACHES[:2]
    number = 0
    while True:
        cache = caches[number % len(caches)]
        result = pipeline.generate(**asked(number), cache=cache)
        (path,) = result.save(folder)
        assert Recipe.from_picture(path).settings()["rng_seed"] == number
        path.unlink()
        number += 1
        yield


def edited(folder: Path) -> Iterator[None]:
    """Draw from a picture, and inside of a mask, with the same models."""
    text = Text2ImagePipeline("demo", "CPU", backend="python")
    pipelines = Image2ImagePipeline(text), InpaintingPipeline(text)
    start = text.generate(**asked(0)).images[0]
    mask = start.convert("L").point(lambda level: 255 if level > 60 else 0)
    number = 0
    while True:
        if number % 2:
            pipelines[1].generate(**asked(number), image=start, mask_image=mask)
        else:
            pipelines[0].generate(**asked(number), image=start, strength=0.5)
        number += 1
        yield


def of_sizes(folder: Path) -> Iterator[None]:
    """Draw pictures of several sizes."""
    pipeline = Text2ImagePipeline("demo", "CPU", backend="python")
    number = 0
    while True:
        width, height = SIZES[number % len(SIZES)]
        pipeline.generate(**asked(number), width=width, height=height, cache=None)
        number += 1
        yield


def in_batches(folder: Path) -> Iterator[None]:
    """Draw lines of a batch, some at a time, in one folder."""
    pipeline = Text2ImagePipeline("demo", "CPU")
    first = 0
    while True:
        lines = [asked(number) for number in range(first, first + SITTING)]
        for outcome in run_batch(pipeline, lines, folder):
            assert outcome.status == "drawn", outcome
            yield
        first += SITTING


def anew(folder: Path) -> Iterator[None]:
    """Make pipelines, draw a picture with each, and let go of them."""
    number = 0
    while True:
        with Text2ImagePipeline("demo", "CPU", backend=("python", "native")[number % 2]) as made:
            made.generate(**asked(number))
        number += 1
        yield


WAYS: dict[str, Callable[[Path], Iterator[None]]] = {
    "python": lambda folder: drawn_by("python", folder),
    "native": lambda folder: drawn_by("native", folder),
    "edited": edited,
    "sizes": of_sizes,
    "batch": in_batches,
    "anew": anew,
}


def measure(way: str, count: int) -> list[dict[str, float]]:
    """Draw so many pictures in this process; return what it held after each."""
    with tempfile.TemporaryDirectory() as folder:
        pictures, temporary = Path(folder) / "pictures", Path(folder) / "temporary"
        for made in (pictures, temporary):
            made.mkdir()
        # those of other processes come and go
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        return [held() for _ in islice(WAYS[way](pictures), count)]


def held() -> dict[str, float]:
    """What this process holds."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    numbers = dict(line.split(":", 1) for line in status.splitlines())
    return {
        "private_mib": int(numbers["RssAnon"].split()[0]) / 2**10,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": int(numbers["Threads"]),
        "temporary_files": len(os.listdir(tempfile.gettempdir())),
    }


def compare(samples: Sequence[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Return medians of the second and of the last quarter."""
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    return {
        name: tuple(statistics.median(sample[name] for sample in part) for part in (second, last))
        for name in samples[0]
    }


def grown(medians: dict[str, tuple[float, float]]) -> list[str]:
    """Name what was more at the end than before."""
    allowed = {"private_mib": medians["private_mib"][0] * ALLOWED_SHARE + ALLOWED_MIB}
    return [
        name for name, (before, after) in medians.items() if after - before > allowed.get(name, 0)
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, and print what was held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500, help="pictures of each way")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    arguments = parser.parse_args(argv)
    if not Path("/proc/self/status").exists():
        parser.error("this needs Linux's /proc")
    results = {}
    for way in arguments.ways:
        count = max(8, arguments.count // 10) if way == "anew" else arguments.count
        with process() as own:
            medians = compare(own.submit(measure, way, count).result())
        results[way] = {"pictures": count, "grown": grown(medians)} | medians
    rows = [
        [way, str(told["pictures"]), *(told[name][k] for name in medians for k in (0, 1))]
        for way, told in results.items()
    ]
    print("medians of the second and of the last quarter of a run")
    print_table(
        "|pictures|private MiB|last|descriptors|last|threads|last|temporary files|last", rows
    )
    print(json.dumps(results))
    return 1 if any(told["grown"] for told in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
