"""Train the demo model: a small but real Flux that draws coloured shapes on coloured backgrounds.

    python -m scripts.demo.train_model WORK_DIR            # about an hour and a half on two cores
    python -m scripts.demo.train_model WORK_DIR --smoke    # every stage in a minute, for tests
    python -m scripts.demo.train_model HARD_DIR --continue-from WORK_DIR --variation 4 --steps 600

Stages, each resumed from its checkpoint in WORK_DIR when started again:

1. draw        pictures and captions (`shapes.py`)
2. vae         an `AutoencoderKL` with 16 latent channels at 1/8 of the resolution
3. transformer `FluxTransformer2DModel` with its CLIP and T5 text encoders, by flow matching:
               x_t = (1 - t) x_0 + t e,   target velocity e - x_0,   t logit-normal, shifted by 1.6
               (the shift FLUX.1's scheduler has for the 64 image tokens of a 128x128 picture)
4. pipeline    a diffusers folder, WORK_DIR/pipeline
5. export      OpenVINO IR, WORK_DIR/demo_model, which the package ships

The weights in the package took a longer way than this recipe: 2,700 steps with a T5 that stayed a
bag of words (`text.py` says what cured it), then a new T5 and 1,600 steps for all. The recipe
as it stands has been run from end to end only with `--smoke`.

The third command trains the weights of a finished work folder on, on pictures in which place and
size vary more: a model whose sampling paths are more curved, for benchmarks.

Scenes marked `held_out` never take part in training. `scripts/demo/evaluate.py` counts how
many of them are drawn right.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)
from torch.nn import functional

from scripts.demo.shapes import CANVAS, Scene, all_scenes, draw_scene, trained_on
from scripts.demo.text import (
    CLIP_WIDTH,
    T5_WIDTH,
    build_clip_tokenizer,
    build_t5_tokenizer,
    build_text_encoders,
)
from taylorseer_ov.export.export import export_model

# What the model was made for; the pipeline reads it from the folder.
DEFAULTS = {
    "height": CANVAS,
    "width": CANVAS,
    "num_inference_steps": 28,
    "guidance_scale": 3.5,
    "max_sequence_length": 32,
}


@dataclass(frozen=True)
class Recipe:
    """How long and on how much to train."""

    pictures: int = 12_000
    vae_steps: int = 2400
    decoder_steps: int = 600
    transformer_steps: int = 3600
    transformer_batch: int = 48
    variation: float = 1.0

    @classmethod
    def smoke(cls) -> Recipe:
        return cls(
            pictures=64, vae_steps=3, decoder_steps=2, transformer_steps=3, transformer_batch=4
        )


# --- 1. pictures -------------------------------------------------------------------------------


def draw_pictures(work: Path, recipe: Recipe) -> tuple[np.ndarray, list[Scene]]:
    """Return uint8 pictures (N, 128, 128, 3) and the scene of each, drawn once and kept."""
    pictures_path, scenes_path = work / "pictures.npy", work / "scenes.json"
    catalogue = all_scenes()
    if not scenes_path.exists():
        rng = np.random.default_rng(0)
        single, double = [], []
        for index, scene in enumerate(catalogue):
            if not scene.held_out:
                (single if scene.size else double).append(index)
        pictures = np.empty((recipe.pictures, CANVAS, CANVAS, 3), np.uint8)
        drawn = []
        for i in range(recipe.pictures):
            # 40 % single objects: by number of scenes alone they would hardly be seen
            drawn.append(int(rng.choice(single if rng.random() < 0.4 else double)))
            pictures[i] = draw_scene(catalogue[drawn[-1]], rng, recipe.variation)
        np.save(pictures_path, pictures)
        scenes_path.write_text(json.dumps(drawn))
    scenes = [catalogue[index] for index in json.loads(scenes_path.read_text())]
    return np.load(pictures_path), scenes


# --- 2. autoencoder ----------------------------------------------------------------------------


def build_vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 24, 48, 64),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=8,
        sample_size=CANVAS,
        scaling_factor=1.0,
        shift_factor=0.0,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def train_vae(work: Path, pictures: np.ndarray, recipe: Recipe) -> AutoencoderKL:
    """Train on 64-pixel crops, whiten the latents, then fit the decoder on whole pictures."""
    torch.manual_seed(1)
    vae = build_vae()
    checkpoint = work / "vae.pt"
    if checkpoint.exists():
        vae.load_state_dict(torch.load(checkpoint, weights_only=True))
        return vae.eval()
    rng = np.random.default_rng(1)
    log = TrainingLog("vae")
    crop, batch = CANVAS // 2, 24
    optimizer, schedule = one_cycle(vae.parameters(), 2e-3, recipe.vae_steps)
    for step in range(recipe.vae_steps):
        chosen = pictures[np.sort(rng.integers(len(pictures), size=batch))]
        top, left = rng.integers(CANVAS - crop + 1, size=2)
        images = to_tensor(chosen[:, top : top + crop, left : left + crop])
        with torch.autocast("cpu", torch.bfloat16):
            latents = vae.encode(images).latent_dist.mode()
            noisy = latents + 0.05 * torch.randn_like(latents)
            decoded = vae.decode(noisy).sample.float()
        # a light pull to unit size; the whitening below does the rest
        loss = picture_loss(decoded, images) + 1e-4 * latents.float().square().mean()
        descend(loss, vae.parameters(), optimizer, schedule)
        log(step, recipe.vae_steps, loss)
    whiten_latents(vae, to_tensor(pictures[:512]))
    optimizer, schedule = one_cycle(vae.decoder.parameters(), 1e-3, recipe.decoder_steps)
    for step in range(recipe.decoder_steps):
        images = to_tensor(pictures[np.sort(rng.integers(len(pictures), size=6))])
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                latents = vae.encode(images).latent_dist.mode()
            noisy = latents + 0.05 * torch.randn_like(latents)
            decoded = vae.decode(noisy).sample.float()
        descend(picture_loss(decoded, images), vae.decoder.parameters(), optimizer, schedule)
        log(step, recipe.decoder_steps, picture_loss(decoded, images))
    save_atomically(vae.state_dict(), checkpoint)
    return vae.eval()


def picture_loss(decoded: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of the pixels and of their differences, which keeps edges crisp."""
    loss = functional.l1_loss(decoded, images)
    for axis in (2, 3):
        loss = loss + functional.l1_loss(decoded.diff(dim=axis), images.diff(dim=axis))
    return loss


@torch.no_grad()
def whiten_latents(vae: AutoencoderKL, images: torch.Tensor) -> None:
    """Fold a linear map into the encoder's last and the decoder's first convolution, so that the
    latent channels are uncorrelated with unit variance and zero mean: what flow matching likes."""
    latents = torch.cat([vae.encode(part).latent_dist.mode() for part in images.split(64)])
    flat = latents.transpose(0, 1).flatten(1).double()
    mean = flat.mean(1)
    values, vectors = torch.linalg.eigh(torch.cov(flat))
    whiten = vectors @ torch.diag(values.clamp_min(1e-6).rsqrt()) @ vectors.T
    last, first = vae.encoder.conv_out, vae.decoder.conv_in
    channels = vae.config.latent_channels
    weight, bias = last.weight[:channels].double(), last.bias[:channels].double()
    last.weight[:channels] = torch.einsum("ij,jklm->iklm", whiten, weight).float()
    last.bias[:channels] = (whiten @ (bias - mean)).float()
    # the posterior's variance is not trained: make it negligible, so sample() is mode()
    last.weight[channels:] = 0
    last.bias[channels:] = -20.0
    unwhiten = torch.linalg.inv(whiten)
    kernel = first.weight.double()
    # exact but at the border, where the decoder's zero padding now stands for another colour
    first.bias += torch.einsum("ijkl,j->i", kernel, mean).float()
    first.weight.copy_(torch.einsum("ijkl,jm->imkl", kernel, unwhiten).float())


# --- 3. transformer and text encoders ----------------------------------------------------------


class DemoFlux(torch.nn.Module):
    """The three networks that are trained together, called as `FluxPipeline` calls them."""

    def __init__(self, clip_tokenizer, t5_tokenizer) -> None:
        super().__init__()
        self.tokenizers = clip_tokenizer, t5_tokenizer
        self.clip, self.t5 = build_text_encoders(clip_tokenizer, t5_tokenizer)
        self.transformer = FluxTransformer2DModel(
            patch_size=1,
            in_channels=64,
            num_layers=3,
            num_single_layers=6,
            attention_head_dim=32,
            num_attention_heads=4,
            joint_attention_dim=T5_WIDTH,
            pooled_projection_dim=CLIP_WIDTH,
            guidance_embeds=True,
            axes_dims_rope=(8, 12, 12),
        )
        rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        image_ids = torch.stack([torch.zeros(8, 8), rows, columns], -1).reshape(64, 3)
        self.register_buffer("image_ids", image_ids, persistent=False)

    def forward(self, latents, t, guidance, captions: list[str], text_length: int):
        clip_tokenizer, t5_tokenizer = self.tokenizers
        padded = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
        # no attention mask, neither here nor in any Flux pipeline: padding is seen
        clip_ids = clip_tokenizer(captions, max_length=77, **padded).input_ids
        t5_ids = t5_tokenizer(captions, max_length=text_length, **padded).input_ids
        return self.transformer(
            hidden_states=latents,
            timestep=t,
            guidance=guidance,
            pooled_projections=self.clip(clip_ids).pooler_output,
            encoder_hidden_states=self.t5(t5_ids).last_hidden_state,
            txt_ids=torch.zeros(text_length, 3),
            img_ids=self.image_ids,
            return_dict=False,
        )[0]


@torch.no_grad()
def encode_pictures(vae: AutoencoderKL, pictures: np.ndarray) -> torch.Tensor:
    """Packed latents (N, 64, 64) of all pictures."""
    packed = []
    for start in range(0, len(pictures), 64):
        latents = vae.encode(to_tensor(pictures[start : start + 64])).latent_dist.mode()
        packed.append(FluxPipeline._pack_latents(latents, len(latents), 16, 16, 16))
    return torch.cat(packed)


def training_caption(scene: Scene, rng: np.random.Generator) -> str:
    """Mostly the full caption; now and then no background, or nothing at all."""
    caption, kind = scene.caption(rng), rng.random()
    if kind < 0.03:
        return ""
    return caption.split(" on ")[0] if kind < 0.08 else caption


def train_transformer(
    work: Path,
    vae: AutoencoderKL,
    pictures: np.ndarray,
    scenes: list[Scene],
    recipe: Recipe,
    earlier: Path | None = None,
) -> DemoFlux:
    """Flow matching; returns the exponential average of the weights.

    Begins with those of another work folder, `earlier`, if given.
    """
    torch.manual_seed(2)
    model = DemoFlux(build_clip_tokenizer(), build_t5_tokenizer(work / "spiece"))
    if earlier is not None:
        trained = torch.load(earlier / "transformer.pt", weights_only=True)["average"]
        marker = "module."
        model.load_state_dict(
            {k.removeprefix(marker): v for k, v in trained.items() if k.startswith(marker)}
        )
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
    )
    optimizer, schedule = one_cycle(model.parameters(), 1.5e-3, recipe.transformer_steps)
    parts = {"model": model, "average": average, "optimizer": optimizer, "schedule": schedule}
    checkpoint = work / "transformer.pt"
    first_step = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        first_step = saved.pop("step")
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    if first_step < recipe.transformer_steps:
        latents = encode_pictures(vae, pictures)
    log = TrainingLog("transformer")
    for step in range(first_step, recipe.transformer_steps):
        # seeded by the step, so that a resumed run draws what an uninterrupted one would
        rng = np.random.default_rng((3, step))
        torch.manual_seed(step)
        chosen = rng.integers(len(scenes), size=recipe.transformer_batch)
        captions = [training_caption(scenes[i], rng) for i in chosen]
        # mostly short texts, for speed; some longer, so that padding does no harm
        text_length = int(rng.choice([16, 24, 32, 64], p=[0.45, 0.05, 0.4, 0.1]))
        clean = latents[chosen]
        noise = torch.randn_like(clean)
        t = torch.sigmoid(torch.randn(len(chosen)))
        t = 1.6 * t / (1 + 0.6 * t)
        mixed = torch.lerp(clean, noise, t[:, None, None])
        guidance = 1 + 6 * torch.rand(len(chosen))  # any value is accepted, and means nothing
        velocity = model(mixed, t, guidance, captions, text_length)
        loss = functional.mse_loss(velocity, noise - clean)
        descend(loss, model.parameters(), optimizer, schedule)
        average.update_parameters(model)
        log(step, recipe.transformer_steps, loss)
        if (step + 1) % 200 == 0 or step + 1 == recipe.transformer_steps:
            states = {name: part.state_dict() for name, part in parts.items()}
            save_atomically({"step": step + 1, **states}, checkpoint)
    return average.module.eval()


# --- 4. pipeline -------------------------------------------------------------------------------


def save_pipeline(work: Path, vae: AutoencoderKL, model: DemoFlux) -> Path:
    """Write a diffusers folder. The weights are rounded to float16, so that the float16 IR made
    from it computes exactly what the float32 torch pipeline computes."""
    clip_tokenizer, t5_tokenizer = model.tokenizers
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, shift=3.0, base_shift=0.5, max_shift=1.15
        ),
        vae=vae,
        text_encoder=model.clip,
        tokenizer=clip_tokenizer,
        text_encoder_2=model.t5,
        tokenizer_2=t5_tokenizer,
        transformer=model.transformer,
    )
    for part in (vae, model):
        for parameter in part.parameters():
            parameter.data = parameter.data.half().float()
    folder = work / "pipeline"
    pipeline.save_pretrained(folder)
    return folder


# --- shared by the trainings -------------------------------------------------------------------


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2) / 127.5 - 1


def one_cycle(parameters, peak: float, steps: int):
    parameters = list(parameters)
    optimizer = torch.optim.AdamW(parameters, peak, betas=(0.9, 0.99), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=max(steps, 2), pct_start=0.1, cycle_momentum=False
    )
    return optimizer, schedule


def descend(loss: torch.Tensor, parameters, optimizer, schedule) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    schedule.step()


def save_atomically(state, path: Path) -> None:
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


class TrainingLog:
    """Print the mean loss now and then."""

    def __init__(self, name: str, every: int = 100) -> None:
        self.name, self.every, self.losses, self.start_s = name, every, [], time.perf_counter()

    def __call__(self, step: int, steps: int, loss: torch.Tensor) -> None:
        self.losses.append(float(loss.detach()))
        if (step + 1) % self.every == 0 or step + 1 == steps:
            mean = math.fsum(self.losses) / len(self.losses)
            elapsed_s = time.perf_counter() - self.start_s
            print(f"{self.name} {step + 1}/{steps} loss {mean:.4f} ({elapsed_s:.0f} s)", flush=True)
            self.losses.clear()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work_dir", type=Path)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--continue-from", type=Path, metavar="WORK_DIR")
    parser.add_argument("--variation", type=float, help="of place and size (default: 1)")
    parser.add_argument("--steps", type=int, help="of the transformer (default: 3600)")
    arguments = parser.parse_args(argv)
    recipe = Recipe.smoke() if arguments.smoke else Recipe()
    if arguments.variation is not None:
        recipe = replace(recipe, variation=arguments.variation)
    if arguments.steps is not None:
        recipe = replace(recipe, transformer_steps=arguments.steps)
    work, earlier = arguments.work_dir, arguments.continue_from
    work.mkdir(parents=True, exist_ok=True)
    if earlier is not None and not (work / "vae.pt").exists():
        shutil.copy(earlier / "vae.pt", work)
    pictures, scenes = draw_pictures(work, recipe)
    vae = train_vae(work, pictures, recipe)
    model = train_transformer(work, vae, pictures, scenes, recipe, earlier)
    folder = export_model(
        save_pipeline(work, vae, model), work / "demo_model", overwrite=True, say=print
    )
    for name, values in {"generation_config": DEFAULTS, "trained_on": trained_on()}.items():
        (folder / f"{name}.json").write_text(json.dumps(values, indent=2) + "\n")
    print(folder)


if __name__ == "__main__":
    main()
