"""How the tests draw with an untrained Flux in Optimum Intel, and what they compare with."""

import numpy as np

from taylorseer_ov import TaylorSeerCacheConfig
from tests.common import F32, PROMPT

HEIGHT, WIDTH, TOKENS = 64, 96, 32
STEPS, SCHEDULE = 10, "CCC..C..CC"
CONFIG = TaylorSeerCacheConfig(
    cache_interval=3, disable_cache_before_step=3, disable_cache_after_step=-2
)
NEGATIVE = {"negative_prompt": "a small green star", "true_cfg_scale": 2.0}


def load(kind, folder):
    import optimum.intel

    pipeline = getattr(optimum.intel, kind).from_pretrained(folder, ov_config=dict(F32))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline, seed=0, **settings):
    """Final latents as an array."""
    import torch

    settings = {
        "prompt": PROMPT,
        "height": HEIGHT,
        "width": WIDTH,
        "num_inference_steps": STEPS,
        "max_sequence_length": TOKENS,
        "guidance_scale": 3.5,
        "output_type": "latent",
        "generator": torch.Generator().manual_seed(seed),
    } | settings
    return pipeline(**settings).images.numpy()


def counted(part, monkeypatch):
    """Count the runs of a part's own infer request."""
    part.compile()
    request, runs = part.request, []

    def run(*args, **kwargs):
        runs.append(None)
        return request(*args, **kwargs)

    monkeypatch.setattr(part, "request", run)
    return runs


def close(left, right):
    np.testing.assert_allclose(left, right, atol=2e-5, rtol=1e-4)


def inputs(flux, timestep, batch=1):
    """What the pipeline would call its denoiser with, but for random latents."""
    import torch

    embeddings, pooled, text_ids = flux.encode_prompt(PROMPT, None, max_sequence_length=TOKENS)
    tokens = HEIGHT * WIDTH // 256
    generator = torch.Generator().manual_seed(int(timestep))
    return {
        "hidden_states": torch.randn(batch, tokens, 64, generator=generator),
        "timestep": timestep.expand(batch) / 1000,
        "guidance": torch.full((batch,), 3.5),
        "pooled_projections": pooled.expand(batch, -1),
        "encoder_hidden_states": embeddings.expand(batch, -1, -1),
        "txt_ids": text_ids,
        "img_ids": torch.zeros(tokens, 3),
    }


def calls(flux, batch_from=STEPS, **settings):
    """Yield the outputs of a bare loop over the denoiser; from a step on of two pictures."""
    flux.scheduler.set_timesteps(sigmas=np.linspace(1, 1 / STEPS, STEPS), mu=0.5)
    for step, timestep in enumerate(flux.scheduler.timesteps):
        given = inputs(flux, timestep, 2 if step >= batch_from else 1)
        yield flux.transformer(**given, **settings)
        flux.scheduler.step(given["hidden_states"], timestep, given["hidden_states"])


def values(flux, **settings):
    """The outputs of that loop as arrays."""
    return [output["out_sample"].numpy() for output in calls(flux, **settings)]
