"""Generators of noise: the numbers of openvino_genai, and those that people write themselves."""

import sys

import numpy as np
import openvino as ov
import pytest

from taylorseer_ov import CppStdGenerator, Generator, TorchGenerator, genai
from taylorseer_ov.arrays import Tensor
from taylorseer_ov.flux.generators import StandardNormalGenerator
from taylorseer_ov.flux.logf import logf
from taylorseer_ov.flux.noise import noise_of_seeds, noise_source

# drawn by openvino_genai.CppStdGenerator(42)
GOLDEN_42 = [1.2219213247299194, -0.5169641375541687, 0.8696359395980835, 0.7213326692581177]
# computed by glibc 2.36; the last three are not the nearest float32
GOLDEN_LOGF = {
    "0x1.000000p+0": "0x0.000000p+0",
    "0x1.000000p-48": "-0x1.0a2b24p+5",
    "0x1.759566p-1": "-0x1.42bf4ap-2",
    "0x1.15ecb0p-4": "-0x1.585f92p+1",
    "0x1.e11980p-2": "-0x1.82c374p-1",
}


@pytest.fixture
def no_openvino_genai(monkeypatch):
    monkeypatch.setattr(genai, "installed_version", lambda package: None)
    monkeypatch.setitem(sys.modules, "openvino_genai", None)


def native(seed):
    import openvino_genai

    return openvino_genai.CppStdGenerator(seed)


class Counter(Generator):
    """1, 2, 3, ..."""

    def __init__(self):
        self.count = 0

    def next(self):
        self.count += 1
        return self.count

    def seed(self, new_seed):
        self.count = new_seed


# --- the numbers of openvino_genai ---


@pytest.mark.parametrize("make", [StandardNormalGenerator, CppStdGenerator])
def test_noise_of_a_known_seed(make, no_openvino_genai):
    noise = make(42).randn_tensor((2, 2))
    assert noise.ravel().tolist() == GOLDEN_42
    assert noise.dtype == np.float32
    assert isinstance(noise, Tensor)
    generator = make(42)
    assert [generator.next() for _ in range(4)] == GOLDEN_42


@pytest.mark.parametrize(("value", "logarithm"), GOLDEN_LOGF.items())
def test_the_logarithm_of_the_c_library(value, logarithm):
    assert logf(np.float32([float.fromhex(value)])).tolist() == [float.fromhex(logarithm)]


@pytest.mark.native
@pytest.mark.parametrize("make", [StandardNormalGenerator, CppStdGenerator])
@pytest.mark.parametrize("seed", [0, 42, 2**32 - 1])
def test_noise_is_that_of_openvino_genai_to_the_last_bit(make, seed):
    ours, theirs = make(seed), native(seed)
    for shape in ([2, 16, 65, 31], [1], [3, 333], [0, 4], [70001]):
        expected = theirs.randn_tensor(ov.Shape(shape)).data
        drawn = ours.randn_tensor(shape)
        assert drawn.dtype == np.float32
        assert np.array_equal(drawn, expected)  # the shape too
        assert ours.next() == theirs.next()


@pytest.mark.native
@pytest.mark.parametrize("make", [StandardNormalGenerator, CppStdGenerator])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_a_new_seed_leaves_the_second_value_of_a_pair(make, count):
    ours, theirs = make(3), native(3)
    for generator in (ours, theirs):
        generator.randn_tensor(ov.Shape([count]))
        generator.seed(8)
    drawn = [[generator.next() for _ in range(9)] for generator in (ours, theirs)]
    assert drawn[0] == drawn[1]
    fresh = native(8)
    assert (drawn[1][0] == fresh.next()) == (count % 2 == 0)


@pytest.mark.export
@pytest.mark.native
def test_torch_noise_is_that_of_openvino_genai():
    import openvino_genai

    ours, theirs = TorchGenerator(5), openvino_genai.TorchGenerator(5)
    for shape in ([1, 16, 8, 8], [3], [20, 20]):
        expected = theirs.randn_tensor(ov.Shape(shape)).data
        assert np.array_equal(ours.randn_tensor(ov.Shape(shape)), expected)
        assert ours.next() == theirs.next()
        ours.seed(6)
        theirs.seed(6)


def test_torch_noise_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RuntimeError, match=r"needs PyTorch; pip install torch, or use CppStd"):
        TorchGenerator(1)


# --- what any of them does ---


def test_a_generator_goes_on_where_it_stopped():
    whole = StandardNormalGenerator(7).randn_tensor((1000,))
    parts = StandardNormalGenerator(7)
    pieces = [parts.randn_tensor((count,)) for count in (1, 2, 333, 0, 664)]
    assert np.array_equal(np.concatenate(pieces), whole)


def test_noise_is_standard_normal():
    noise = StandardNormalGenerator(1).randn_tensor((100_000,))
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 1) < 0.01
    assert np.isfinite(noise).all()


@pytest.mark.parametrize("make", [StandardNormalGenerator, CppStdGenerator, TorchGenerator])
def test_seeds_are_checked(make):
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=f"seed must be .* from 0 to 4294967295, got {seed}"):
            make(seed)
    with pytest.raises(TypeError, match="seed must be a whole number"):
        make(1.5)
    if make is not TorchGenerator:
        with pytest.raises(ValueError, match="seed must be a whole number from 0"):
            make(1).seed(-1)


@pytest.mark.parametrize("shape", [(2, 3), [2, 3], ov.Shape([2, 3])])
def test_one_value_after_the_other(shape):
    drawn = Counter().randn_tensor(shape)
    assert drawn.data.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert drawn.dtype == np.float32


def test_a_generator_says_what_it_lacks():
    class Empty(Generator):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty must define next\(\) or randn_tensor"):
        Empty().randn_tensor((1,))
    with pytest.raises(NotImplementedError, match=r"Empty does not define seed"):
        Empty().seed(1)


# --- what a pipeline draws from ---


def test_ours_are_given_a_shape_of_openvino_and_others_a_tuple():
    given = []

    class Ours(Generator):
        def randn_tensor(self, shape):
            given.append(type(shape))
            return ov.Tensor(np.ones(shape, np.float64))

    class Other:
        def randn_tensor(self, shape):
            given.append(type(shape))
            return np.ones(shape)

    for source in (Ours(), Other()):
        noise = noise_source(source, 0)((2, 2))
        assert noise.tolist() == [[1, 1], [1, 1]]
        assert noise.dtype == np.float32
    assert given == [ov.Shape, tuple]


def test_what_only_has_next_is_asked_for_each_value():
    class Other:
        def __init__(self):
            self.next = Counter().next

    assert noise_source(Other(), 0)((2, 2)).tolist() == [[1, 2], [3, 4]]


def test_the_noise_has_one_name_on_linux(no_openvino_genai, monkeypatch):
    assert noise_of_seeds() == "openvino_genai.CppStdGenerator"
    monkeypatch.setattr("platform.system", lambda: "Windows")
    assert noise_of_seeds() == "openvino_genai.CppStdGenerator"
    monkeypatch.setattr(genai, "installed_version", lambda package: "2026.4.1")
    assert noise_of_seeds() == "openvino_genai.CppStdGenerator on Windows"
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert noise_of_seeds() == "openvino_genai.CppStdGenerator"


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.full((1, 2), np.nan), ValueError, "drew noise that is not finite in float32"),
        ([[1e300, 0]], ValueError, "drew noise that is not finite in float32"),
        ([["x", "y"]], TypeError, "must draw numbers, got an array of <U1"),
        ([[1j, 2]], TypeError, "must draw numbers, got an array of complex128"),
        ([[1], [1, 2]], TypeError, "must draw an array of numbers: .*inhomogeneous"),
        (
            np.zeros((1, 2), "datetime64[s]"),
            TypeError,
            "must draw numbers, got an array of datetime",
        ),
        (None, ValueError, r"drew noise of shape \(\), not \(1, 2\)"),
    ],
)
def test_noise_that_no_picture_comes_of_is_refused(values, error, message):
    """openvino_genai draws a black picture of a NaN, and says nothing."""

    class Odd:
        def randn_tensor(self, shape):
            return values

    with pytest.raises(error, match=message):
        noise_source(Odd(), 0)((1, 2))


@pytest.mark.parametrize("value", [None, "x", [1, 2], 10**400])
def test_a_next_value_must_be_a_number(value):
    class Odd(Generator):
        def next(self):
            return value

    with pytest.raises(TypeError, match=r"a generator's next\(\) must return a number, got "):
        Odd().randn_tensor((2,))
