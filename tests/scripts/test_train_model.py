"""The training script: every stage runs, resumes, and ends in a model that draws."""

import json

import numpy as np
import pytest

from taylorseer_ov import Text2ImagePipeline

pytestmark = [pytest.mark.once, pytest.mark.export, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def script():
    """The training script, which imports torch."""
    from scripts.demo import train_model

    return train_model


def test_smoke_run_ends_in_a_model_that_draws_and_resumes(script, tmp_path, capsys):
    script.main([str(tmp_path), "--smoke"])
    first = capsys.readouterr().out
    assert "vae 3/3" in first
    assert "transformer 3/3" in first
    folder = tmp_path / "demo_model"
    assert json.loads((folder / "generation_config.json").read_text()) == script.DEFAULTS
    picture = Text2ImagePipeline(folder).generate("a small red star", num_inference_steps=2).data
    assert picture.shape == (1, 128, 128, 3)

    script.main([str(tmp_path), "--smoke"])
    again = capsys.readouterr().out
    assert "vae" not in again
    assert "transformer 3/3" not in again
    repeated = Text2ImagePipeline(folder).generate("a small red star", num_inference_steps=2).data
    assert np.array_equal(picture, repeated)


def test_whitened_latents_are_uncorrelated_and_reach_the_decoder_unchanged(script):
    import torch

    torch.manual_seed(0)
    vae = script.build_vae().eval()
    images = torch.rand(48, 3, 64, 64) * 2 - 1
    # the first convolution sees zero padding at the border, which stands for another colour after
    inside = (..., slice(1, -1), slice(1, -1))
    with torch.no_grad():
        expected = vae.decoder.conv_in(vae.encode(images).latent_dist.mode())[inside]
        script.whiten_latents(vae, images)
        latents = vae.encode(images).latent_dist.mode()
        found = vae.decoder.conv_in(latents)[inside]
    flat = latents.transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.cov(flat), torch.eye(16), atol=2e-2, rtol=0)
    torch.testing.assert_close(flat.mean(1), torch.zeros(16), atol=1e-3, rtol=0)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_captions_name_what_is_drawn(script):
    rng = np.random.default_rng(0)
    scene = script.Scene("blue", (("red", "circle"), ("white", "star")), "")
    plain = scene.caption()
    assert plain == "a red circle left of a white star on a blue background"
    wordings = {scene.caption(rng) for _ in range(200)}
    assert "a white star right of a red circle on blue." in wordings
    assert len(wordings) == 16
    assert {script.training_caption(scene, rng) for _ in range(300)} >= {
        "",
        "a red circle and a white star",
    }
