"""Pipelines in a `with` statement, and what they say of themselves."""

import gc
import weakref

import numpy as np
import pytest

from taylorseer_ov import Image2ImagePipeline, Text2ImagePipeline, demo_model_path
from tests.common import F32, PROMPT
from tests.pipelines.common import SHORT


def test_the_models_go_at_the_end_of_the_block():
    with Text2ImagePipeline(demo_model_path(), backend="python", **F32) as pipeline:
        drawn = pipeline.generate(PROMPT, **SHORT)
        transformer = weakref.ref(pipeline.backends.load_python().models.parts["transformer"])
    gc.collect()
    assert transformer() is None
    assert pipeline.backends.loaded is None
    # not closed for ever: the next use loads them again
    again = pipeline.generate(PROMPT, **SHORT)
    assert np.array_equal(again.data, drawn.data)
    assert again.report.load_s > 0


def test_the_models_go_when_the_block_fails_and_the_error_comes_out():
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python")

    def fail():
        with pipeline:
            pipeline.compile("CPU")
            assert pipeline.backends.loaded == "python"
            raise ZeroDivisionError("from the block")

    with pytest.raises(ZeroDivisionError, match="from the block"):
        fail()
    assert pipeline.backends.loaded is None


def test_a_pipeline_says_where_it_is_and_what_is_loaded():
    pipeline = Image2ImagePipeline(demo_model_path(), backend="python")
    told = "<Image2ImagePipeline demo_model on CPU, backend python, nothing loaded>"
    assert repr(pipeline) == told
    with pipeline:
        pipeline.compile("CPU", "AUTO:CPU", "CPU")
        told = "demo_model on CPU / AUTO:CPU / CPU, backend python, python loaded>"
        assert repr(pipeline).endswith(told)


@pytest.mark.native
def test_a_pipeline_says_that_native_is_loaded():
    with Text2ImagePipeline(demo_model_path()) as pipeline:
        pipeline.compile("CPU")
        assert "backend auto, native loaded" in repr(pipeline)
