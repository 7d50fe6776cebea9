"""Scenes of coloured shapes: what the demo model is trained to draw, and what it is judged by.

A scene is a background colour and one shape in the middle (large or small) or two shapes side by
side. It has captions in plain English and can be drawn. Only numpy and Pillow are needed here, so a
benchmark can ask for held-out prompts without importing torch.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

COLORS = {
    "red": (220, 40, 40),
    "green": (40, 170, 70),
    "blue": (45, 80, 220),
    "yellow": (245, 215, 50),
    "white": (245, 245, 245),
    "black": (25, 25, 25),
}
SHAPES = ("circle", "square", "triangle", "star")
SIZES = ("large", "small")
BETWEEN = ("left of", "next to", "and", "right of")
CANVAS = 128
LEEWAY = 16  # pixels more or less; of larger pictures the model draws the beginning again
SUPERSAMPLING = 4


@dataclass(frozen=True)
class Scene:
    """One picture in words: `objects` are (colour, shape) from left to right."""

    background: str
    objects: tuple[tuple[str, str], ...]
    size: str  # of a single object; two objects always have the same middle size

    @property
    def held_out(self) -> bool:
        """Whether this scene is kept from training: one in eight, by a hash of what it shows."""
        key = f"{self.background}|{self.objects}|{self.size}".encode()
        return hashlib.sha256(key).digest()[0] % 8 == 0

    def caption(self, rng: np.random.Generator | None = None) -> str:
        """Say what is to be seen. With `rng`, one of several wordings; without, the plainest."""

        def choose(*wordings: str) -> str:
            return wordings[0] if rng is None else wordings[rng.integers(len(wordings))]

        names = [f"{color} {shape}" for color, shape in self.objects]
        if len(names) == 1:
            subject = f"a {self.size} {names[0]}"
        else:
            # all but "right of" name the objects from left to right
            between = choose(*BETWEEN)
            first, second = names if between != "right of" else reversed(names)
            subject = f"a {first} {between} a {second}"
        ending = choose(f" on a {self.background} background", f" on {self.background}")
        return subject + ending + choose("", "", "", ".")


def trained_on() -> dict[str, Any]:
    """What the pictures and captions are, as a model's folder says it (`flux.trained_on`)."""
    one, two = "a SIZE COLOR SHAPE", "a COLOR SHAPE BETWEEN a COLOR SHAPE"
    return {
        "sides": [CANVAS - LEEWAY, CANVAS + LEEWAY],
        "phrases": {
            "SIZE": list(SIZES),
            "COLOR": list(COLORS),
            "SHAPE": list(SHAPES),
            "BETWEEN": list(BETWEEN),
        },
        "sentences": [
            f"{subject} {ground}"
            for subject in (one, two)
            for ground in ("on a COLOR background", "on COLOR")
        ],
    }


def all_scenes() -> list[Scene]:
    """Every scene there is, in a fixed order: 240 with one object, 2400 with two."""
    scenes = []
    for background in COLORS:
        colors = [color for color in COLORS if color != background]
        objects = list(itertools.product(colors, SHAPES))
        scenes += [Scene(background, (one,), size) for one in objects for size in SIZES]
        scenes += [Scene(background, pair, "") for pair in itertools.product(objects, repeat=2)]
    return scenes


def draw_scene(scene: Scene, rng: np.random.Generator, variation: float = 1.0) -> np.ndarray:
    """Draw a scene as uint8 (128, 128, 3), edges smoothed by supersampling.

    `variation` scales how far place and size wander: 1 is a few percent of the picture, 4 makes a
    task that takes far longer to learn and whose sampling paths are more curved.
    """
    side = CANVAS * SUPERSAMPLING
    shade = np.linspace(1.0, 0.75, side)[:, None, None]
    ground = np.broadcast_to(np.array(COLORS[scene.background]) * shade, (side, side, 3))
    image = Image.fromarray(np.rint(ground).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    if len(scene.objects) == 1:
        radius = {"large": 0.36, "small": 0.18}[scene.size]
        places = [(0.5, radius)]
    else:
        places = [(0.27, 0.19), (0.73, 0.19)]
    for (color, shape), (x, radius) in zip(scene.objects, places, strict=True):
        center = np.array([x, 0.5]) + rng.uniform(-0.02, 0.02, 2) * variation
        radius *= 1 + rng.uniform(-0.05, 0.05) * variation
        _draw_shape(canvas, shape, center * side, radius * side, COLORS[color])
    return np.asarray(image.resize((CANVAS, CANVAS), Image.Resampling.BOX))


def _draw_shape(canvas, shape: str, center, radius: float, color) -> None:
    x, y = center
    if shape == "circle":
        canvas.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color)
    elif shape == "square":
        half = 0.86 * radius
        canvas.rectangle([x - half, y - half, x + half, y + half], fill=color)
    else:
        corners, inner = {"triangle": (3, 1.0), "star": (5, 0.42)}[shape]
        points = []
        for k in range(2 * corners):
            angle = -math.pi / 2 + math.pi * k / corners
            # a triangle has no inner corners, a star has one between every two outer ones
            if k % 2 and inner == 1.0:
                continue
            reach = radius * (inner if k % 2 else 1.08)
            points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
        if shape == "triangle":
            points = [(px, py + 0.15 * radius) for px, py in points]
        canvas.polygon(points, fill=color)
