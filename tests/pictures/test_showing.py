"""What results say of themselves, and show in notebooks."""

import io
import re

import numpy as np
import openvino as ov
from PIL import Image

from taylorseer_ov import TaylorSeerCacheConfig
from tests.common import PROMPT

SETTINGS = {"num_inference_steps": 9, "cache": TaylorSeerCacheConfig(3, 2, -1)}


def test_a_result_is_its_pictures_side_by_side(pipeline):
    result = pipeline.generate(PROMPT, num_images_per_prompt=2, height=64, width=96, **SETTINGS)
    shown = Image.open(io.BytesIO(result._repr_png_()))
    assert shown.format == "PNG"
    assert shown.size == (192, 64)
    assert np.array_equal(np.asarray(shown)[:, :96], result.data[0])
    assert np.array_equal(np.asarray(shown)[:, 96:], result.data[1])
    told = r"<GenerationResult 2 pictures of 96x64, 5 of 9 steps computed, [\d.e-]+ s>"
    assert re.fullmatch(told, repr(result))


def test_a_result_tells_what_openvino_s_tensor_tells_and_is_an_array(pipeline):
    result = pipeline.generate(PROMPT, num_images_per_prompt=2, height=64, width=96, **SETTINGS)
    tensor = ov.Tensor(result.data)
    assert result.shape == tuple(tensor.shape) == (2, 64, 96, 3)
    assert result.get_shape() == tensor.get_shape() == [2, 64, 96, 3]
    assert result.element_type == result.get_element_type() == tensor.element_type == ov.Type.u8
    assert result.byte_size == result.get_byte_size() == tensor.byte_size
    assert result.size == result.get_size() == tensor.size == 2 * 64 * 96 * 3
    assert result.get_strides() == tensor.get_strides()
    assert result.is_continuous()
    assert np.asarray(result) is result.data
    assert np.array_equal(np.array(result), result.data)
    assert not np.shares_memory(np.array(result), result.data)
    assert np.array_equal(np.array(result, np.float32), result.data.astype(np.float32))
    assert np.array_equal(np.asarray(result, np.uint8), result.data)


def test_a_report_is_one_line_as_a_value_and_several_as_text(pipeline):
    result = pipeline.generate(PROMPT, callback=lambda step, *_: step == 2, **SETTINGS)
    told = (
        r"<GenerationReport python backend, 2 of 3 steps computed, interrupted, 128x128, "
        r"[\d.e-]+ s>"
    )
    assert re.fullmatch(told, repr(result.report))
    assert "2 of 3 steps ran the transformer, interrupted\n" in str(result.report)
    assert repr(result).startswith("<GenerationResult 1 picture of 128x128, 2 of 3 steps computed")
