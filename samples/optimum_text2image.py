"""Draw with a text-to-image pipeline of Optimum Intel, its denoiser's output cached.

    python optimum_text2image.py MODEL_DIR "PROMPT" picture.png

MODEL_DIR is what `optimum-cli export openvino` wrote: of Flux, Stable Diffusion 3, Sana, ...
"""

import argparse
from pathlib import Path

from taylorseer_ov import cache_report, enable_cache


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir")
    parser.add_argument("prompt")
    parser.add_argument("output", type=Path)
    for name, default in (("steps", 28), ("width", 1024), ("height", 1024)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args(arguments)
    if options.output.exists():
        parser.error(f"{options.output} exists; choose another name")

    from optimum.intel import OVPipelineForText2Image

    pipeline = OVPipelineForText2Image.from_pretrained(options.model_dir)
    enable_cache(pipeline, "balanced")
    result = pipeline(
        prompt=options.prompt,
        num_inference_steps=options.steps,
        width=options.width,
        height=options.height,
    )
    result.images[0].save(options.output)
    print(cache_report(pipeline))


if __name__ == "__main__":
    main()
