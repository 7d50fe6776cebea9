"""Count how many held-out scenes the demo model draws right, as `judge.py` sees them.

    python -m scripts.demo.evaluate --grid grid.png     # the model inside the package
    python -m scripts.demo.evaluate MODEL_DIR           # another one

Draws scenes that never took part in training, each from its plainest caption and with its own seed,
without caching. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scripts.demo.judge import DEFAULT_JUDGE, PictureJudge, compare, score
from scripts.demo.shapes import CANVAS, Scene, all_scenes
from taylorseer_ov import ModelFolderError, Text2ImagePipeline, demo_model_path

GRID_COLUMNS, GRID_PICTURES = 8, 32


def choose_scenes(count: int, seed: int) -> list[Scene]:
    """Take `count` held-out scenes in random order; none comes again before all have come."""
    rng = np.random.default_rng(seed)
    catalogue = [scene for scene in all_scenes() if scene.held_out]
    chosen: list[Scene] = []
    while len(chosen) < count:
        chosen += [catalogue[i] for i in rng.permutation(len(catalogue))]
    return chosen[:count]


def draw_pictures(
    pipeline: Text2ImagePipeline, scenes: Sequence[Scene], steps: int, first_seed: int
) -> np.ndarray:
    """Generate a picture of each scene, uint8 (N, 128, 128, 3), with seeds from `first_seed` on."""
    pictures = np.empty((len(scenes), CANVAS, CANVAS, 3), np.uint8)
    for i, scene in enumerate(scenes):
        result = pipeline.generate(
            scene.caption(),
            height=CANVAS,
            width=CANVAS,
            num_inference_steps=steps,
            rng_seed=first_seed + i,
            cache=None,  # as it draws by itself
        )
        pictures[i] = np.asarray(result.data)[0]
        if (i + 1) % 32 == 0:
            print(f"drew {i + 1} of {len(scenes)}", file=sys.stderr, flush=True)
    return pictures


def print_table(scenes: Sequence[Scene], verdicts: Sequence[Scene]) -> None:
    """Print how many are right, of all scenes and of those with one object and with two."""
    single = np.array([len(scene.objects) == 1 for scene in scenes])
    groups = {"all": np.ones_like(single), "one object": single, "two objects": ~single}
    print(f"{'right':<16}" + "".join(f"{name:>20}" for name in groups))
    for aspect, right in compare(scenes, verdicts).items():
        cells = []
        for chosen in groups.values():
            total, counted = int(chosen.sum()), int(right[chosen].sum())
            rate = f"{counted / total:7.1%}" if total else "      -"
            cells.append(f"{counted:>4} of {total:<4}{rate}")
        print(f"{aspect.replace('_', ' '):<16}" + "".join(f"{cell:>20}" for cell in cells))


def paint_grid(
    pictures: np.ndarray, scenes: Sequence[Scene], verdicts: Sequence[Scene]
) -> Image.Image:
    """Lay pictures out in rows, captions underneath, the wrong ones framed in red."""
    font = ImageFont.load_default(size=10)
    margin, line_height, lines = 6, 12, 4
    width = CANVAS + 2 * margin
    height = width + lines * line_height
    rows = -(-len(pictures) // GRID_COLUMNS)
    grid = Image.new("RGB", (GRID_COLUMNS * width, rows * height), "white")
    canvas = ImageDraw.Draw(grid)
    right = compare(scenes, verdicts)["everything"]
    for i, (picture, scene) in enumerate(zip(pictures, scenes, strict=True)):
        x, y = i % GRID_COLUMNS * width + margin, i // GRID_COLUMNS * height + margin
        # where it is right a thin grey line, without which white pictures have no edge
        color, thickness = ("lightgrey", 1) if right[i] else ("red", 4)
        end = CANVAS + thickness - 1
        canvas.rectangle((x - thickness, y - thickness, x + end, y + end), fill=color)
        grid.paste(Image.fromarray(picture), (x, y))
        caption = textwrap.fill(scene.caption(), 25)
        canvas.multiline_text((x, y + CANVAS + 5), caption, fill="black", font=font, spacing=1)
    return grid


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "model", nargs="?", default="demo", help="a folder, or demo: the packaged one"
    )
    parser.add_argument("--judge", type=Path, default=DEFAULT_JUDGE, help="folder of the judge")
    parser.add_argument("--count", type=int, default=256, help="how many pictures")
    parser.add_argument("--steps", type=int, default=28, help="steps for each picture")
    parser.add_argument("--seed", type=int, default=1000, help="of the first picture")
    parser.add_argument("--grid", type=Path, help="write the first 32 pictures to this PNG")
    parser.add_argument("--json", action="store_true", help="print the line of JSON only")
    arguments = parser.parse_args(argv)
    if arguments.count < 1:
        parser.error(f"--count is {arguments.count}; at least one picture is needed")
    folder = demo_model_path() if arguments.model == "demo" else Path(arguments.model)
    try:
        judge = PictureJudge(arguments.judge)
        pipeline = Text2ImagePipeline(folder, "CPU")
    except (FileNotFoundError, ModelFolderError) as error:
        parser.error(str(error))
    scenes = choose_scenes(arguments.count, arguments.seed)
    start_s = time.perf_counter()
    pictures = draw_pictures(pipeline, scenes, arguments.steps, arguments.seed)
    drawing_s = time.perf_counter() - start_s
    verdicts = judge.judge(pictures)
    if arguments.grid:
        shown = slice(GRID_PICTURES)
        paint_grid(pictures[shown], scenes[shown], verdicts[shown]).save(arguments.grid)
    if not arguments.json:
        print_table(scenes, verdicts)
    summary = {
        "model": arguments.model,
        "count": arguments.count,
        "steps": arguments.steps,
        "seed": arguments.seed,
        "seconds_per_picture": round(drawing_s / arguments.count, 3),
        "rates": {name: round(rate, 4) for name, rate in score(scenes, verdicts).items()},
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
