"""Train the network that judges the demo model's pictures, and save it as OpenVINO IR.

    python -m scripts.demo.train_judge OUT_DIR            # a few minutes on one core
    python -m scripts.demo.train_judge OUT_DIR --smoke    # a few steps, for tests

It learns from drawn pictures of the scenes that are not `held_out`, blurred, shifted and made noisy
so that the slight faults of generated pictures do not confuse it. At the end the saved model, used
through `judge.PictureJudge`, is checked on drawings of held-out scenes; the command fails if
any aspect is recognised in less than 99.5 % of them.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino
import torch
from torch import nn
from torch.nn import functional

from scripts.demo.judge import HEADS, MODEL_NAME, PictureJudge, score
from scripts.demo.shapes import CANVAS, Scene, all_scenes, draw_scene

REQUIRED_RATE = 0.995
MOST_VARIATION = 2.0
MOST_SHIFT = 4  # pixels
LEFT_OUT = -100  # the label of an object that is not there


@dataclass(frozen=True)
class Recipe:
    """How long and on how much to train and to check."""

    pictures: int = 8000
    steps: int = 900
    batch: int = 64
    checked: int = 1000

    @classmethod
    def smoke(cls) -> Recipe:
        return cls(pictures=16, steps=2, batch=8, checked=8)


class JudgeNetwork(nn.Module):
    """Pictures (N, 128, 128, 3) in [0, 255], uint8 or float, to logits in the order of `HEADS`."""

    def __init__(self) -> None:
        super().__init__()
        channels = (3, 16, 24, 32, 48, 48)
        strides = (2, 2, 2, 2, 1)
        layers: list[nn.Module] = []
        for before, after, stride in zip(channels, channels[1:], strides, strict=False):
            layers += [
                nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.features = nn.Sequential(*layers)
        # the 8x8 features become four columns, which tell left from right, and two rows
        self.answer = nn.Sequential(
            nn.AvgPool2d((4, 2)),
            nn.Flatten(),
            nn.Linear(2 * 4 * channels[-1], 64),
            nn.ReLU(),
            nn.Linear(64, sum(len(options) for options in HEADS.values())),
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        scaled = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        logits: torch.Tensor = self.answer(self.features(scaled))
        return logits


def draw_set(
    scenes: list[Scene], count: int, rng: np.random.Generator, variation: float | None = None
) -> tuple[np.ndarray, list[Scene]]:
    """Draw `count` random ones of `scenes`, two in five of them with a single object, as uint8
    (N, 128, 128, 3). Without `variation` each has its own, up to `MOST_VARIATION`."""
    single = [scene for scene in scenes if len(scene.objects) == 1]
    double = [scene for scene in scenes if len(scene.objects) == 2]
    pictures = np.empty((count, CANVAS, CANVAS, 3), np.uint8)
    drawn = []
    for i in range(count):
        choices = single if rng.random() < 0.4 else double
        drawn.append(choices[rng.integers(len(choices))])
        own = rng.uniform(0, MOST_VARIATION) if variation is None else variation
        pictures[i] = draw_scene(drawn[-1], rng, own)
    return pictures, drawn


def label(scene: Scene) -> list[int]:
    """The index of the right option of each head, `LEFT_OUT` for an object that is not there."""
    shown = {"background": scene.background, "layout": scene.size}
    for side, (color, shape) in zip(("left", "right"), scene.objects, strict=False):
        shown[f"{side} color"], shown[f"{side} shape"] = color, shape
    return [
        options.index(shown[head]) if head in shown else LEFT_OUT for head, options in HEADS.items()
    ]


def distort(pictures: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Shift, shade, blur and add noise, each picture differently: float (N, 128, 128, 3)."""
    count = len(pictures)
    margin = (MOST_SHIFT, MOST_SHIFT)
    padded = np.pad(pictures, ((0, 0), margin, margin, (0, 0)), mode="edge")
    shifted = np.empty_like(pictures)
    for i, (top, left) in enumerate(rng.integers(2 * MOST_SHIFT + 1, size=(count, 2))):
        shifted[i] = padded[i, top : top + CANVAS, left : left + CANVAS]

    def strengths(low: float, high: float) -> torch.Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, 1, 1, 1)).astype(np.float32))

    images = torch.from_numpy(shifted).permute(0, 3, 1, 2).float() * strengths(0.93, 1.07)
    for _ in range(2):
        blurred = functional.avg_pool2d(
            functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1
        )
        images = torch.lerp(images, blurred, strengths(0, 1))
    # fine grain, and the larger blotches a decoder leaves
    grain = torch.randn_like(images) * strengths(0, 14)
    blotches = functional.interpolate(torch.randn(count, 3, 16, 16), size=CANVAS, mode="bilinear")
    images = images + grain + blotches * strengths(0, 10)
    return images.clamp(0, 255).permute(0, 2, 3, 1)


def train(recipe: Recipe, seed: int = 0) -> JudgeNetwork:
    """Fit a network to drawings of the scenes that are not held out."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    start_s = time.perf_counter()
    known = [scene for scene in all_scenes() if not scene.held_out]
    pictures, scenes = draw_set(known, recipe.pictures, rng)
    labels = torch.tensor([label(scene) for scene in scenes])
    print(f"drew {len(pictures)} pictures ({time.perf_counter() - start_s:.0f} s)", flush=True)
    network = JudgeNetwork()
    peak = 4e-3
    optimizer = torch.optim.AdamW(network.parameters(), peak, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=recipe.steps, pct_start=0.2
    )
    widths = [len(options) for options in HEADS.values()]
    losses = []
    for step in range(recipe.steps):
        chosen = rng.integers(len(pictures), size=recipe.batch)
        logits = network(distort(pictures[chosen], rng)).split(widths, dim=1)
        # summed and divided, as a mean over no labels at all would not be a number
        parts = [
            functional.cross_entropy(head, target, ignore_index=LEFT_OUT, reduction="sum")
            for head, target in zip(logits, labels[chosen].unbind(1), strict=True)
        ]
        loss = torch.stack(parts).sum() / recipe.batch
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if (step + 1) % 100 == 0 or step + 1 == recipe.steps:
            mean = math.fsum(losses) / len(losses)
            elapsed_s = time.perf_counter() - start_s
            done = f"judge {step + 1}/{recipe.steps}"
            print(f"{done} loss {mean:.4f} ({elapsed_s:.0f} s)", flush=True)
            losses.clear()
    return network.eval()


def save(network: JudgeNetwork, folder: Path) -> None:
    """Write the network as float16 IR that takes uint8 pictures, any number at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    example = torch.zeros(2, CANVAS, CANVAS, 3, dtype=torch.uint8)
    shape = openvino.PartialShape([-1, CANVAS, CANVAS, 3])
    model = openvino.convert_model(
        network, example_input=example, input=[(shape, openvino.Type.u8)]
    )
    openvino.save_model(model, folder / MODEL_NAME, compress_to_fp16=True)


def check(judge: PictureJudge, count: int, seed: int = 1) -> float:
    """Print how well drawings of held-out scenes are recognised; return the lowest rate."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    unseen = [scene for scene in all_scenes() if scene.held_out]
    lowest = 1.0
    for title, variation, distorted in (
        ("as drawn", 1.0, False),
        ("variation up to 2", None, False),
        ("distorted", None, True),
    ):
        pictures, scenes = draw_set(unseen, count, rng, variation)
        if distorted:
            pictures = distort(pictures, rng).round().to(torch.uint8).numpy()
        rates = score(scenes, judge.judge(pictures))
        lowest = min(lowest, *rates.values())
        listed = ", ".join(f"{name} {rate:.2%}" for name, rate in rates.items())
        print(f"{count} held-out scenes, {title}: {listed}", flush=True)
    return lowest


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--smoke", action="store_true", help="a few steps only; checks nothing")
    arguments = parser.parse_args(argv)
    recipe = Recipe.smoke() if arguments.smoke else Recipe()
    save(train(recipe), arguments.out_dir)
    lowest = check(PictureJudge(arguments.out_dir), recipe.checked)
    if not arguments.smoke and lowest < REQUIRED_RATE:
        raise SystemExit(f"the judge is right on only {lowest:.2%}, below {REQUIRED_RATE:.1%}")
    print(arguments.out_dir)


if __name__ == "__main__":
    main()
