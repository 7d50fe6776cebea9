"""How the pipelines of Optimum Intel are called, and how often a step calls their denoiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

SIZE = {"height": 32, "width": 32}
TEXT = SIZE | {"max_sequence_length": 32}
VIDEO = TEXT | {"num_frames": 9}
SANA = TEXT | {"complex_human_instruction": None, "use_resolution_binning": False}
KLEIN = TEXT | {"text_encoder_out_layers": (0, 1)}

STEPS = 8


def picture(size: int = 32) -> Image.Image:
    """Noise, to begin an image or a video with."""
    values = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    return Image.fromarray(values)


IMAGE, REFERENCE = {"image": picture()}, {"image": picture(64)}
CHANGED = IMAGE | {"strength": 0.75}
FILLED = IMAGE | {"mask_image": picture().convert("L")}
INPAINTED = CHANGED | FILLED

NEGATIVE = {"negative_prompt": "a small green star"}
NO_GUIDANCE, GUIDANCE = {"guidance_scale": 1.0}, NEGATIVE | {"guidance_scale": 4.0}
NO_TRUE_GUIDANCE, TRUE_GUIDANCE = {"true_cfg_scale": 1.0}, NEGATIVE | {"true_cfg_scale": 4.0}


@dataclass(frozen=True)
class Drawing:
    """A way to call a pipeline.

    Attributes:
        pipeline: name of Optimum's class.
        family: in `FAMILIES`, whose folder it loads.
        settings: keywords of the call.
        calls: of the denoiser in each step.
        steps: taken, of the `STEPS` asked for.
    """

    pipeline: str
    family: str
    settings: dict[str, Any]
    calls: int = 1
    steps: int = STEPS

    def __str__(self) -> str:
        guidance = " guided" if "negative_prompt" in self.settings else ""
        return f"{self.pipeline}{guidance} {self.calls}"


def batched(pipeline: str, family: str, settings: dict[str, Any], **steps: int) -> list[Drawing]:
    """A pipeline that gives the denoiser both guidance branches in one batch."""
    return [
        Drawing(pipeline, family, settings | guidance, **steps)
        for guidance in (NO_GUIDANCE, GUIDANCE)
    ]


def in_turn(pipeline: str, family: str, settings: dict[str, Any], **steps: int) -> list[Drawing]:
    """A pipeline that calls the denoiser for each guidance branch."""
    return [
        Drawing(pipeline, family, settings | NO_TRUE_GUIDANCE, **steps),
        Drawing(pipeline, family, settings | TRUE_GUIDANCE, calls=2, **steps),
    ]


# --- the table -----------------------------------------------------------------------------------

LATER = {"steps": 6}  # of 8, at this strength
# two more calls a step, which Optimum's denoiser answers like the first
MORE_GUIDANCE = {"stg_scale": 1.0, "spatio_temporal_guidance_blocks": [0], "modality_scale": 2.0}

DRAWINGS = [
    *in_turn("OVFluxPipeline", "flux", TEXT),
    *in_turn("OVFluxImg2ImgPipeline", "flux", TEXT | CHANGED, **LATER),
    *in_turn("OVFluxInpaintPipeline", "flux", TEXT | INPAINTED, **LATER),
    Drawing("OVFluxFillPipeline", "flux_fill", TEXT | FILLED),
    Drawing("OVFlux2KleinPipeline", "flux2_klein", KLEIN | NO_GUIDANCE),
    # a guidance scale that is given becomes 1, the default is 4
    Drawing("OVFlux2KleinPipeline", "flux2_klein", KLEIN, calls=2),
    Drawing("OVFlux2KleinPipeline", "flux2_klein", KLEIN | NO_GUIDANCE | REFERENCE),
    *batched("OVStableDiffusion3Pipeline", "sd3", TEXT),
    *batched("OVStableDiffusion3Img2ImgPipeline", "sd3", TEXT | CHANGED, **LATER),
    *batched("OVStableDiffusion3InpaintPipeline", "sd3", TEXT | INPAINTED, **LATER),
    *batched("OVSanaPipeline", "sana", SANA),
    Drawing("OVSanaSprintPipeline", "sana_sprint", SANA | {"intermediate_timesteps": None}),
    *batched("OVLTXPipeline", "ltx", VIDEO),
    *batched("OVLTXImageToVideoPipeline", "ltx", VIDEO | IMAGE),
    *batched("OVLTX2Pipeline", "ltx2", VIDEO),
    Drawing("OVLTX2Pipeline", "ltx2", VIDEO | GUIDANCE | MORE_GUIDANCE, calls=3),
    *batched("OVLTX2ImageToVideoPipeline", "ltx2", VIDEO | IMAGE),
    *in_turn("OVQwenImagePipeline", "qwen_image", TEXT),
    *batched("OVZImagePipeline", "z_image", TEXT),
    *batched("OVZImageImg2ImgPipeline", "z_image", TEXT | CHANGED, **LATER),
    *batched("OVZImageInpaintPipeline", "z_image", TEXT | INPAINTED, **LATER),
    *batched("OVStableDiffusionPipeline", "stable_diffusion", SIZE),
    *batched("OVStableDiffusionImg2ImgPipeline", "stable_diffusion", CHANGED, **LATER),
    *batched("OVStableDiffusionInpaintPipeline", "stable_diffusion", SIZE | INPAINTED, **LATER),
    *batched("OVStableDiffusionXLPipeline", "stable_diffusion_xl", SIZE),
    *batched("OVStableDiffusionXLImg2ImgPipeline", "stable_diffusion_xl", CHANGED, **LATER),
    *batched(
        "OVStableDiffusionXLInpaintPipeline", "stable_diffusion_xl", SIZE | INPAINTED, **LATER
    ),
    Drawing("OVLatentConsistencyModelPipeline", "latent_consistency", SIZE),
    Drawing("OVLatentConsistencyModelImg2ImgPipeline", "latent_consistency", CHANGED),
]
