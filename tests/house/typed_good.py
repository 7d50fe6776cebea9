"""What users write that a type checker must accept; read by test_typing, never run."""

from pathlib import Path
from typing import Any

import numpy as np

from taylorseer_ov import (
    Adapter,
    AdapterConfig,
    CachePlan,
    ErrorControl,
    Image2ImagePipeline,
    ImageGenerationConfig,
    ImageGenerationPerfMetrics,
    InpaintingPipeline,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
)


def draw(folder: Path, plan: CachePlan, picture: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    text = Text2ImagePipeline(
        demo_model_path(),
        ("CPU", "GPU.0", "CPU"),
        low_memory=True,
        INFERENCE_PRECISION_HINT="f32",
        INFERENCE_NUM_THREADS=4,
        CACHE_DIR="compiled",
    )
    text.generate("a red circle", height=256, width=None, rng_seed=7, guidance_scale=3)
    text.generate("a red circle", cache="fast", callback=lambda step, steps, latents: step == 3)
    text.generate("a red circle", taylorseer_config=TaylorSeerCacheConfig(cache_interval=4))
    text.generate("a red circle", cache=ErrorControl(tolerance=0.01)).images[0].save("circle.png")
    config = text.get_generation_config()
    config.num_inference_steps, config.taylorseer_config = 20, TaylorSeerCacheConfig()
    text.set_generation_config(config)
    text.generate("a red circle", config, rng_seed=7)
    text.generate("a red circle", generation_config=ImageGenerationConfig(height=256, width=256))
    Image2ImagePipeline(folder).generate("a red circle", picture, config, strength=0.7)
    text.compile("CPU", PERFORMANCE_HINT="LATENCY")
    Image2ImagePipeline(folder).generate("a red circle", picture, strength=0.7, cache=plan)
    Image2ImagePipeline(folder).generate("a red circle", "circle.png")
    InpaintingPipeline(folder).generate("a red circle", picture, picture[..., 0], strength=0.7)


def draw_with_what_is_known_at_run_time(settings: dict[str, Any]) -> None:
    rare: dict[str, Any] = {"CPU_DENORMALS_OPTIMIZATION": True}
    Text2ImagePipeline("model", "CPU", backend="python", **rare).generate("a circle", **settings)


def read_as_native_s(text: Text2ImagePipeline) -> list[float]:
    def shown(step: int, steps: int, latents: np.ndarray[Any, np.dtype[np.float32]]) -> bool:
        return bool(text.decode(latents).data[0].any())

    result = text.generate("a red circle", callback=shown)
    text.generate("a red circle", callback=lambda step, steps, latents: not latents.data[0].any())
    metrics: ImageGenerationPerfMetrics = text.get_performance_metrics()
    mean, std = metrics.get_iteration_duration()
    encoders_ms = metrics.get_text_encoder_infer_duration()
    return [
        mean,
        std,
        encoders_ms["text_encoder"],
        float(np.array(result).mean()),
        result.byte_size,
    ]


def draw_with_lora(config: AdapterConfig) -> None:
    adapters = AdapterConfig(Adapter("lora.safetensors"), 0.8, mode=AdapterConfig.Mode.MODE_FUSE)
    Text2ImagePipeline("model", adapters=adapters).generate("a circle", adapters=config)
    print(config.get_adapters())
