"""Draw a picture anew: image2image.py MODEL_DIR IMAGE "PROMPT" OUTPUT (MODEL_DIR may be: demo)"""

import sys
from pathlib import Path

from taylorseer_ov import Image2ImagePipeline

if len(sys.argv) != 5 or Path(sys.argv[4]).exists():
    sys.exit(f"{__doc__}\nOUTPUT must not exist yet.")
model, image, prompt, output = sys.argv[1:]
pipeline = Image2ImagePipeline(model, "CPU")
# the higher the strength, the less of the picture stays
result = pipeline.generate(prompt, image, strength=0.8, cache="high")
result.images[0].save(output)
print(result.report)
