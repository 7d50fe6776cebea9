"""Judge pictures of the demo model: which scene does each one show, and is it the scene asked for?

The judge is a small convolutional network, trained by `train_judge.py` on drawn pictures and kept
as OpenVINO IR in `scripts/demo/judge_model/`. It answers with a `Scene`, always: a picture that
shows no scene at all is taken for the one it is most like. Only openvino and numpy are needed here,
besides the Pillow of `shapes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openvino

from scripts.demo.shapes import CANVAS, COLORS, SHAPES, SIZES, Scene

DEFAULT_JUDGE = Path(__file__).parent / "judge_model"
MODEL_NAME = "demo_judge.xml"

# What the network tells apart, in the order of its output: each entry takes one logit per option.
# A layout is a scene's `size`; the right object means nothing where there is only one.
HEADS: dict[str, tuple[str, ...]] = {
    "background": tuple(COLORS),
    "layout": (*SIZES, ""),
    "left color": tuple(COLORS),
    "left shape": SHAPES,
    "right color": tuple(COLORS),
    "right shape": SHAPES,
}


class PictureJudge:
    """Recognise the scenes in pictures with the IR at `model_path`, a folder or an `.xml` file.

    Raises:
        FileNotFoundError: there is no judge at `model_path`.
    """

    def __init__(self, model_path: str | Path = DEFAULT_JUDGE, batch_size: int = 64) -> None:
        path = Path(model_path)
        if path.is_dir():
            path = path / MODEL_NAME
        if not path.is_file():
            raise FileNotFoundError(
                f"no judge at {path}: train one with `python -m scripts.demo.train_judge OUT_DIR`"
            )
        # f32, so that the verdicts are the same on processors that would choose bf16
        properties = {"INFERENCE_PRECISION_HINT": "f32"}
        self._network = openvino.Core().compile_model(path, "CPU", properties)
        self._batch_size = batch_size

    def judge(self, pictures: np.ndarray) -> list[Scene]:
        """Say which scene each of the pictures, uint8 (N, 128, 128, 3), is most like.

        Raises:
            ValueError: the pictures have another shape or type.
        """
        pictures = np.asarray(pictures)
        expected = (CANVAS, CANVAS, 3)
        if pictures.ndim != 4 or pictures.shape[1:] != expected or pictures.dtype != np.uint8:
            raise ValueError(
                f"pictures are {pictures.dtype} {pictures.shape}; the judge knows only uint8 "
                f"(N, {CANVAS}, {CANVAS}, 3)"
            )
        verdicts: list[Scene] = []
        for start in range(0, len(pictures), self._batch_size):
            batch = np.ascontiguousarray(pictures[start : start + self._batch_size])
            verdicts += [read_logits(row) for row in self._network(batch)[0]]
        return verdicts


def read_logits(logits: np.ndarray) -> Scene:
    """The likeliest scene for one row of the network's output."""
    choice: dict[str, str] = {}
    first = 0
    for head, options in HEADS.items():
        choice[head] = options[int(np.argmax(logits[first : first + len(options)]))]
        first += len(options)
    size = choice["layout"]
    sides = ("left",) if size else ("left", "right")
    objects = tuple((choice[f"{side} color"], choice[f"{side} shape"]) for side in sides)
    return Scene(choice["background"], objects, size)


def compare(scenes: Sequence[Scene], verdicts: Sequence[Scene]) -> dict[str, np.ndarray]:
    """For each aspect, which pictures have it right: bool (N,).

    Colours and shapes are right when those of every object are, so they are wrong when the number
    of objects is. "everything" also asks for the size of a single object.
    """

    def same(aspect: Callable[[Scene], object]) -> np.ndarray:
        pairs = zip(scenes, verdicts, strict=True)
        return np.array([aspect(scene) == aspect(verdict) for scene, verdict in pairs], bool)

    return {
        "background": same(lambda scene: scene.background),
        "layout": same(lambda scene: scene.size),
        "object_colors": same(lambda scene: [color for color, _ in scene.objects]),
        "shapes": same(lambda scene: [shape for _, shape in scene.objects]),
        "everything": same(lambda scene: scene),
    }


def score(scenes: Sequence[Scene], verdicts: Sequence[Scene]) -> dict[str, float]:
    """The rate, from 0 to 1, at which each aspect of `compare` is right.

    Raises:
        ValueError: there are no scenes, or not as many as verdicts.
    """
    if not scenes:
        raise ValueError("there is nothing to score: scenes is empty")
    return {name: float(right.mean()) for name, right in compare(scenes, verdicts).items()}
