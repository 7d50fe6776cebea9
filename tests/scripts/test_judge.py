"""The judge of the demo model: the committed network, and how its verdicts are counted."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.demo.judge import HEADS, PictureJudge, compare, read_logits, score
from scripts.demo.shapes import Scene, all_scenes, draw_scene

pytestmark = pytest.mark.once

ASKED = Scene("blue", (("red", "circle"), ("white", "star")), "")
SINGLE = Scene("black", (("green", "square"),), "large")


@pytest.fixture(scope="module")
def judge() -> PictureJudge:
    return PictureJudge()


@pytest.mark.parametrize("variation", [1.0, 2.0])
def test_recognises_held_out_scenes(judge: PictureJudge, variation: float) -> None:
    rng = np.random.default_rng(2024)
    unseen = [scene for scene in all_scenes() if scene.held_out]
    single = [scene for scene in unseen if scene.size]
    double = [scene for scene in unseen if not scene.size]
    scenes = single[:30] + [double[i] for i in rng.permutation(len(double))[:90]]
    pictures = np.stack([draw_scene(scene, rng, variation) for scene in scenes])
    for aspect, rate in score(scenes, judge.judge(pictures)).items():
        assert rate >= 0.99, aspect


def test_a_verdict_does_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(7)
    scenes = all_scenes()[::500]
    pictures = np.stack([draw_scene(scene, rng) for scene in scenes])
    by_two = PictureJudge(batch_size=2).judge(pictures)
    assert by_two == PictureJudge().judge(pictures) == scenes
    assert PictureJudge().judge(pictures[:0]) == []


def test_refuses_pictures_it_does_not_know(judge: PictureJudge) -> None:
    with pytest.raises(ValueError, match="float32"):
        judge.judge(np.zeros((1, 128, 128, 3), np.float32))
    with pytest.raises(ValueError, match=r"\(128, 128, 3\)"):
        judge.judge(np.zeros((128, 128, 3), np.uint8))
    with pytest.raises(ValueError, match="256"):
        judge.judge(np.zeros((1, 256, 256, 3), np.uint8))


def test_says_where_a_judge_is_missing(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"scripts\.demo\.train_judge"):
        PictureJudge(tmp_path)


@pytest.mark.parametrize("scene", [ASKED, SINGLE])
def test_reads_logits(scene: Scene) -> None:
    shown = {"background": scene.background, "layout": scene.size}
    for side, (color, shape) in zip(("left", "right"), scene.objects, strict=False):
        shown[f"{side} color"], shown[f"{side} shape"] = color, shape
    logits = np.concatenate(
        [[float(option == shown.get(head)) for option in HEADS[head]] for head in HEADS]
    )
    assert read_logits(logits) == scene


@pytest.mark.parametrize(
    ("verdict", "wrong"),
    [
        (ASKED, set()),
        (Scene("red", ASKED.objects, ""), {"background", "everything"}),
        (Scene("blue", ASKED.objects[::-1], ""), {"object_colors", "shapes", "everything"}),
        (
            Scene("blue", (("red", "circle"), ("white", "circle")), ""),
            {"shapes", "everything"},
        ),
        (
            Scene("blue", (("red", "circle"), ("green", "star")), ""),
            {"object_colors", "everything"},
        ),
        (
            Scene("blue", ASKED.objects[:1], "small"),
            {"layout", "object_colors", "shapes", "everything"},
        ),
    ],
)
def test_counts_what_is_wrong(verdict: Scene, wrong: set[str]) -> None:
    right = compare([ASKED], [verdict])
    assert {name for name, value in right.items() if not value[0]} == wrong


def test_scores_rates() -> None:
    small = Scene(SINGLE.background, SINGLE.objects, "small")
    white = Scene("white", SINGLE.objects, "large")
    circle = Scene("black", (("green", "circle"),), "large")
    assert score([SINGLE] * 4, [SINGLE, small, white, circle]) == {
        "background": 0.75,
        "layout": 0.75,
        "object_colors": 1.0,
        "shapes": 0.75,
        "everything": 0.25,
    }


def test_score_needs_as_many_verdicts_as_scenes() -> None:
    with pytest.raises(ValueError, match="nothing to score"):
        score([], [])
    with pytest.raises(ValueError, match="shorter"):
        score([ASKED, SINGLE], [ASKED])


@pytest.mark.export
# openvino.convert_model calls torch.jit.trace, which torch has deprecated
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_training_writes_a_loadable_judge(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    from scripts.demo.train_judge import main

    main([str(tmp_path / "judge"), "--smoke"])
    assert "held-out scenes" in capsys.readouterr().out
    trained = PictureJudge(tmp_path / "judge")
    assert len(trained.judge(np.zeros((3, 128, 128, 3), np.uint8))) == 3
    weights = tmp_path / "judge" / "demo_judge.bin"
    assert 50_000 < weights.stat().st_size < 200_000
