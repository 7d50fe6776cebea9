"""Tensors: arrays with what an `openvino.Tensor` tells of itself."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import openvino as ov
import pytest
from PIL import Image

from taylorseer_ov.arrays import Tensor, as_tensor, held_array

VALUES = np.arange(24, dtype=np.float32).reshape(1, 4, 6)
# what numpy has other ways for: filling, reshaping and text
NOT_OURS = {"copy_from", "copy_to", "set_shape", "bytes_data", "str_data"}


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8, np.int64])
@pytest.mark.parametrize("shape", [(1, 4, 6), (24,), (2, 3, 2, 2)])
def test_a_tensor_has_openvino_s_members_with_its_values(shape, kind):
    array = np.arange(24, dtype=kind).reshape(shape)
    ours, theirs = as_tensor(array), ov.Tensor(array)
    names = {name for name in dir(theirs) if not name.startswith("_")} - NOT_OURS
    assert names == {
        *("data", "shape", "size", "strides", "byte_size", "element_type", "is_continuous"),
        *("get_shape", "get_size", "get_strides", "get_byte_size", "get_element_type"),
    }
    for name in names - {"data"}:
        mine, native = getattr(ours, name), getattr(theirs, name)
        if callable(native):
            mine, native = mine(), native()
            assert type(mine) is type(native), name
        assert (tuple(mine) == tuple(native)) if hasattr(native, "__len__") else mine == native
    assert ours.get_shape() == list(shape) == theirs.get_shape()
    assert type(ours.data) is type(theirs.data) is np.ndarray
    assert np.array_equal(ours.data, theirs.data)
    assert np.array_equal(ours.data[0], theirs.data[0])


def test_a_slice_that_is_not_continuous_says_so():
    part = as_tensor(VALUES)[..., ::2]
    assert not part.is_continuous()
    assert part.get_strides() == ov.Strides([96, 24, 8])
    assert part.get_byte_size() == 48


def test_data_is_the_same_memory():
    array = VALUES.copy()
    tensor = as_tensor(array)
    tensor.data[0, 0, 0] = 7
    assert array[0, 0, 0] == 7
    assert np.shares_memory(np.asarray(tensor), array)


def test_a_tensor_computes_as_an_array():
    tensor = as_tensor(VALUES.copy())
    assert type(tensor.sum()) is type(tensor.mean()) is np.float32
    assert tensor.max() == 23
    assert type(tensor[0, 0, 0]) is np.float32
    assert np.array_equal(tensor * 2 - VALUES, VALUES)
    assert np.array_equal((tensor * 2).data[0], 2 * VALUES[0])
    assert np.array_equal(tensor[:, 1:, ::2].data[0], VALUES[0, 1:, ::2])
    assert np.array_equal(tensor @ np.ones(6, np.float32), VALUES.sum(axis=2))
    same = tensor
    same += 1
    assert same is tensor
    assert np.array_equal(tensor, VALUES + 1)


def test_a_tensor_is_written_pickled_and_copied_as_an_array():
    tensor = as_tensor(VALUES)
    assert str(tensor) == str(VALUES)
    assert repr(tensor[0, 0, :2]) == "Tensor([0., 1.], dtype=float32)"
    for again in (pickle.loads(pickle.dumps(tensor)), copy.copy(tensor), copy.deepcopy(tensor)):
        assert type(again) is Tensor
        assert np.array_equal(again.data, VALUES)
        assert not np.shares_memory(again, tensor)


def test_other_libraries_take_a_tensor_as_an_array():
    tensor = as_tensor(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    assert np.array_equal(np.asarray(Image.fromarray(tensor)), tensor.data)
    for shared in (False, True):
        assert np.array_equal(ov.Tensor(tensor, shared_memory=shared).data, tensor.data)
    assert type(np.asarray(tensor)) is np.ndarray


@pytest.mark.export
def test_torch_takes_a_tensor_as_an_array():
    import torch

    tensor = as_tensor(VALUES.copy())
    assert torch.equal(torch.from_numpy(tensor), torch.from_numpy(tensor.data))
    assert torch.equal(torch.tensor(tensor), torch.tensor(VALUES))


def test_what_is_held():
    array = VALUES.copy()
    for values in (ov.Tensor(array), as_tensor(array)):
        assert type(held_array(values)) is np.ndarray
        assert np.array_equal(held_array(values), array)
    assert held_array(array) is array
    assert held_array("text") == "text"


def test_openvino_is_imported_when_its_types_are_asked_for():
    code = (
        "import sys; from taylorseer_ov.arrays import as_tensor; import numpy as np;"
        "tensor = as_tensor(np.zeros((1, 2))); tensor.data[0], tensor.byte_size;"
        "assert 'openvino' not in sys.modules; tensor.get_shape();"
        "assert 'openvino' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
