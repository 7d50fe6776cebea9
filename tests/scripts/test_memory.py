"""The memory benchmark: its model is what it says, and its figures are of what was taken."""

import sys

import numpy as np
import pytest

from scripts.benchmarks import memory as script
from taylorseer_ov import Text2ImagePipeline

pytestmark = pytest.mark.once


def hold(mib):
    """Take so much memory for a moment."""
    np.ones(mib * 2**17).sum()


def test_peaks_are_those_of_the_work():
    if sys.platform == "linux":
        little, much = (script.measured(hold, mib) for mib in (1, 300))
        for key in ("resident_mib", "private_mib"):
            assert much[key] - little[key] == pytest.approx(299, rel=0.3)


def test_the_large_model_is_large_and_draws(tmp_path):
    folder = script.write_large_model(tmp_path / "model", 1, 1, "fp16")
    layer_mib = 2 * script.WIDTH * script.INNER * 2 / 2**20
    for part in ("text_encoder_2", "transformer"):
        stored = (folder / part / "openvino_model.bin").stat().st_size / 2**20
        assert layer_mib < stored < layer_mib + 10
    drawn = Text2ImagePipeline(folder, low_memory=True).generate(
        "a red circle", num_inference_steps=1
    )
    assert drawn.data.shape == (1, 128, 128, 3)


def test_misuse_is_told(capsys):
    assert script.main(["--model", "no/such/folder"]) == 2
    assert "there is no model folder" in capsys.readouterr().err
