"""The library in ten lines: the first picture and what it cost."""

from taylorseer_ov import TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path

pipeline = Text2ImagePipeline(demo_model_path(), "CPU")
result = pipeline.generate(
    "a green star left of a yellow square on a white background",
    num_inference_steps=28,
    rng_seed=42,
    taylorseer_config=TaylorSeerCacheConfig(cache_interval=3),
)
result.images[0].save("star_and_square.png")
print(result.report)
