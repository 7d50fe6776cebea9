"""Redraw a part: inpainting.py MODEL_DIR IMAGE MASK "PROMPT" OUTPUT (MODEL_DIR may be: demo)"""

import sys
from pathlib import Path

from taylorseer_ov import InpaintingPipeline

if len(sys.argv) != 6 or Path(sys.argv[5]).exists():
    sys.exit(f"{__doc__}\nMASK is white where to draw. OUTPUT must not exist yet.")
model, image, mask, prompt, output = sys.argv[1:]
pipeline = InpaintingPipeline(model, "CPU")
# a Fill model is made for this; others need a high strength to draw something new
result = pipeline.generate(prompt, image, mask, strength=1.0, cache="high")
result.images[0].save(output)
print(result.report)
