"""Arrays as they are passed from room to room, and as callers get them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino as ov

Array = NDArray[np.float32]  # latents, velocities, embeddings
Matrix = NDArray[np.float64]  # weights and inner products
Pictures = NDArray[np.uint8]  # (N, height, width, 3)
Arrays = Mapping[str, NDArray[Any]]  # by name, as an .npz file has them


class TensorMembers:
    """What an `openvino.Tensor` tells of its values, for whatever has them as an array `data`."""

    data: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `data`."""
        return np.shape(self.data)

    @property
    def size(self) -> int:
        """The number of values."""
        return int(np.size(self.data))

    @property
    def byte_size(self) -> int:
        """The number of bytes of all values."""
        return int(self.data.nbytes)

    @property
    def element_type(self) -> ov.Type:
        """The type of a value, such as `openvino.Type.f32`."""
        import openvino as ov

        return ov.Type(self.data.dtype)

    def get_shape(self) -> ov.Shape:
        """Return the shape as OpenVINO has it, which equals lists and tuples."""
        import openvino as ov

        return ov.Shape(list(self.data.shape))

    def get_strides(self) -> ov.Strides:
        """Return the bytes from one value to the next, along each dimension."""
        import openvino as ov

        return ov.Strides(list(self.data.strides))

    def get_size(self) -> int:
        """Return the number of values."""
        return self.size

    def get_byte_size(self) -> int:
        """Return the number of bytes of all values."""
        return self.byte_size

    def get_element_type(self) -> ov.Type:
        """Return the type of a value."""
        return self.element_type

    def is_continuous(self) -> bool:
        """Return whether the values lie in memory one after the other."""
        return bool(self.data.flags.c_contiguous)


class Tensor(np.ndarray[Any, np.dtype[Any]], TensorMembers):
    """A numpy array that also has the members of an `openvino.Tensor`.

    Code for openvino_genai, whose callbacks get tensors, reads `latents.data[0]`, where numpy has a
    buffer. `openvino.Tensor(latents)` makes a tensor of it, as of any array.
    """

    data: Any = property(lambda self: self.view(np.ndarray), doc="The same values, no copy.")

    def __array_wrap__(
        self, array: NDArray[Any], context: Any = None, return_scalar: bool = False
    ) -> Any:
        """Make numbers of sums and means, as of those of other arrays."""
        if array.ndim == 0:
            return array[()]
        return array if isinstance(array, Tensor) else as_tensor(array)


def as_tensor(array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor with the same values, no copy."""
    return array.view(Tensor)


def held_array(values: Any) -> Any:
    """Return the array that a tensor, ours or OpenVINO's, or a result holds; else `values`."""
    if isinstance(values, np.ndarray):  # whose own `data` is a buffer
        return np.asarray(values)
    data = getattr(values, "data", None)
    return data if isinstance(data, np.ndarray) else values
