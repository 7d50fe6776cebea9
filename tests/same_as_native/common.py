"""How the tests with one body for both packages compare, and what they draw with."""

import time

import numpy as np
import openvino as ov

NATIVE, OURS = "openvino_genai", "taylorseer_ov"
PROMPT = "a large green circle on a white background"
NAMES = ["Text2ImagePipeline", "Image2ImagePipeline", "InpaintingPipeline"]
# not what openvino_genai does by default, but what it takes the tests no time for
SMALL = {"width": 64, "height": 64, "max_sequence_length": 32}


class Same:
    """Things that openvino_genai gave, with which taylorseer_ov's are compared one by one."""

    def __init__(self, kept, is_native):
        self._kept, self.is_native, self._next = kept, is_native, 0

    def _other(self, value):
        """Keep a value of openvino_genai's, or return the one that belongs to taylorseer_ov's."""
        if self.is_native:
            self._kept.append(value)
            return value
        self._next += 1
        return self._kept[self._next - 1]

    def __call__(self, value):
        """Compare plain values."""
        assert value == self._other(value)

    def pictures(self, result):
        """Compare pictures, up to a grey level: openvino_genai cuts off what we round."""
        self([*result.data.shape])
        self([*result.get_shape()])
        self(str(result.element_type))
        self(result.byte_size)
        assert result.data[0].shape == result.data.shape[1:]
        self.within_a_level(result.data)

    def within_a_level(self, pixels):
        """Compare pixels, up to a grey level."""
        levels = np.array(pixels, int)
        assert np.abs(levels - self._other(levels)).max() <= 1

    def latents(self, by_step):
        """Compare what callbacks were given, bit for bit; openvino_genai may drop the last one."""
        theirs = self._other(by_step)
        assert len(theirs) >= len(by_step) - 1
        for step, latents in theirs.items():
            assert np.array_equal(latents, by_step[step]), f"step {step}"


def seen_by_callback(genai, num_steps, generate):
    """Return what the callbacks of `generate(callback)` see: {step: copied latents}.

    openvino_genai drops calls at the end of a generation, all of them if it was quick, so that it
    takes a few to see every step but the last.
    """
    seen = {}

    def callback(step, steps_in_all, latents):
        assert steps_in_all == num_steps
        seen[step] = np.array(latents.data)
        return False

    for _ in range(60 if genai.__name__ == NATIVE else 1):
        generate(callback)
        time.sleep(0.01)
        if len(seen) >= num_steps - 1:
            break
    return seen


def given_to(name):
    """The pictures that a pipeline of this name takes."""
    return [picture_of(), mask_of()][: NAMES.index(name)]


def picture_of(colours=(230, 40, 40), size=64):
    """A square on a gradient, as a tensor (1, size, size, 3)."""
    pixels = np.empty((1, size, size, 3), np.uint8)
    pixels[:] = np.linspace(60, 200, size).astype(np.uint8)[:, None]
    pixels[0, size // 4 : size // 2, size // 4 : -size // 4] = colours
    return ov.Tensor(pixels)


def mask_of(size=64):
    """White in the middle, of three channels as files are read."""
    pixels = np.zeros((1, size, size, 3), np.uint8)
    pixels[:, size // 4 : -size // 4, size // 4 : -size // 4] = 255
    return ov.Tensor(pixels)
