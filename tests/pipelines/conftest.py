"""What is loaded, counted."""

import collections

import openvino as ov
import pytest

from taylorseer_ov.genai import missing_native_support
from tests.pipelines.common import NATIVE_PARTS, Counting


@pytest.fixture
def loads(monkeypatch):
    """How often each model of openvino_genai was loaded, and `"ours"`: what we have compiled."""
    counts = collections.Counter()
    compile_model = ov.Core.compile_model

    def counted(*arguments, **named):
        counts["ours"] += 1
        return compile_model(*arguments, **named)

    monkeypatch.setattr(ov.Core, "compile_model", counted)
    if missing_native_support() is None:
        import openvino_genai

        for name in NATIVE_PARTS:
            counting = Counting(getattr(openvino_genai, name), counts)
            monkeypatch.setattr(openvino_genai, name, counting)
    return counts
