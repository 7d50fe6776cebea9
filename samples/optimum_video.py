"""Make a video with LTX in Optimum Intel, its denoiser's output cached.

    python optimum_video.py MODEL_DIR "PROMPT" video.webp

MODEL_DIR is what `optimum-cli export openvino` wrote of LTX-Video.
"""

import argparse
from pathlib import Path

from taylorseer_ov import cache_report, enable_cache


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir")
    parser.add_argument("prompt")
    parser.add_argument("output", type=Path)
    for name, default in (("steps", 50), ("width", 704), ("height", 480), ("frames", 97)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args(arguments)
    if options.output.exists():
        parser.error(f"{options.output} exists; choose another name")

    from optimum.intel import OVPipelineForText2Video

    pipeline = OVPipelineForText2Video.from_pretrained(options.model_dir)
    enable_cache(pipeline, "balanced")
    result = pipeline(
        prompt=options.prompt,
        num_inference_steps=options.steps,
        width=options.width,
        height=options.height,
        num_frames=options.frames,
    )
    first, *others = result.frames[0]
    first.save(options.output, save_all=True, append_images=others, duration=1000 / 25)
    print(cache_report(pipeline))


if __name__ == "__main__":
    main()
