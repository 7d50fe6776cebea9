"""Noise of a caller's own, on both backends: each draws it once and gets the same picture."""

import numpy as np
import openvino as ov
import pytest

from taylorseer_ov import (
    CppStdGenerator,
    Generator,
    Image2ImagePipeline,
    Text2ImagePipeline,
    demo_model_path,
)
from tests.common import F32, PROMPT

pytestmark = pytest.mark.native

NOISE = np.random.default_rng(1).standard_normal((1, 16, 16, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def native():
    return Text2ImagePipeline(demo_model_path(), backend="native", **F32)


class Plain:
    def randn_tensor(self, shape):
        return NOISE.astype(np.float64)


class Ours(Generator):
    def randn_tensor(self, shape):
        assert isinstance(shape, ov.Shape)
        return ov.Tensor(NOISE)


class OneByOne(Generator):
    def __init__(self):
        self.next = iter(NOISE.ravel().tolist()).__next__


def of_openvino_genai():
    """Classes that people derive from openvino_genai's, made when it is there."""
    import openvino_genai

    class Values(openvino_genai.Generator):
        def __init__(self):
            super().__init__()
            self.values = iter(NOISE.ravel().tolist())

        def next(self):
            return next(self.values)

    class Tensors(openvino_genai.Generator):
        def randn_tensor(self, shape):
            assert isinstance(shape, ov.Shape)
            return ov.Tensor(NOISE)

    class Overridden(openvino_genai.CppStdGenerator):
        def randn_tensor(self, shape):
            return ov.Tensor(NOISE)

    return [Values(), Tensors(), Overridden(3)]


@pytest.fixture(scope="module")
def expected(pipeline):
    return pipeline.generate(PROMPT, num_inference_steps=1, generator=Plain()).data


@pytest.mark.parametrize(
    "make",
    [Plain, Ours, OneByOne, *[lambda n=n: of_openvino_genai()[n] for n in range(3)]],
    ids=["plain", "ours", "one by one", "native values", "native tensors", "native overridden"],
)
def test_both_backends_ask_it(pipeline, native, expected, make):
    for backend in (pipeline, native):
        drawn = backend.generate(PROMPT, num_inference_steps=1, generator=make())
        assert np.array_equal(drawn.data, expected)
        assert drawn.report.seed is None


def test_a_generator_of_ours_is_that_of_its_seed_and_goes_on(pipeline, native):
    seeded = native.generate(PROMPT, num_inference_steps=1, rng_seed=7)
    pictures = []
    for backend in (pipeline, native):
        generator = CppStdGenerator(7)
        for _ in range(2):
            drawn = backend.generate(PROMPT, num_inference_steps=1, generator=generator)
            pictures.append(drawn.data)
    assert np.array_equal(pictures[0], seeded.data)
    assert np.array_equal(pictures[0], pictures[2])
    assert np.array_equal(pictures[1], pictures[3])
    assert not np.array_equal(pictures[0], pictures[1])


def test_its_errors_reach_the_caller_and_the_pipeline_goes_on(native, expected):
    class Broken(Generator):
        def next(self):
            raise LookupError("out of noise")

    class Small(Generator):
        def randn_tensor(self, shape):
            return np.zeros(3)

    with pytest.raises(LookupError, match="out of noise"):
        native.generate(PROMPT, num_inference_steps=1, generator=Broken())
    with pytest.raises(ValueError, match=r"noise of shape \(3,\), not \(1, 16, 16, 16\)"):
        native.generate(PROMPT, num_inference_steps=1, generator=Small())
    drawn = native.generate(PROMPT, num_inference_steps=1, generator=Plain())
    assert np.array_equal(drawn.data, expected)


def test_the_noise_of_a_picture_to_start_from_comes_from_it_too():
    class Counted(Generator):
        def __init__(self):
            self.random, self.values = np.random.default_rng(3), 0

        def next(self):
            self.values += 1
            return self.random.standard_normal()

    picture = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), np.uint8)
    pictures = []
    for backend in ("python", "native"):
        generator = Counted()
        drawn = Image2ImagePipeline(demo_model_path(), backend=backend, **F32).generate(
            PROMPT, picture, generator=generator, num_inference_steps=2, strength=0.5
        )
        assert generator.values == 2 * 16 * 8 * 8  # to encode it, and to start from
        pictures.append(drawn.data)
    assert np.array_equal(*pictures)
