"""What a type checker must refuse, with what it has to say; read by test_typing, never run."""

from taylorseer_ov import Image2ImagePipeline, InpaintingPipeline, Text2ImagePipeline

text = Text2ImagePipeline("model", INFERENCE_NUM_THREADS="4")  # error: "INFERENCE_NUM_THREADS"
Text2ImagePipeline("model", backend="cpp")  # error: "backend"
Text2ImagePipeline("model", INFERENCE_NUM_THREAD=4)  # error: "INFERENCE_NUM_THREAD"
text.compile("CPU", CACHE_DIRECTORY="compiled")  # error: "CACHE_DIRECTORY"
text.generate("a circle", heigth=64)  # error: "heigth"
text.generate("a circle", height="64")  # error: "height"
text.generate("a circle", cache=4)  # error: "cache"
text.generate("a circle", callback=lambda step: True)  # error: "callback"
text.generate("a circle", {"height": 64})  # error: "generate"
text.generate("a circle", "circle.png")  # error: "generate"
text.sigmas(num_inference_step=4)  # error: "num_inference_step"
Image2ImagePipeline("model").generate("a circle", "circle.png", strenght=0.7)  # error: "strenght"
InpaintingPipeline("model").generate("a circle", "circle.png")  # error: "mask_image"
