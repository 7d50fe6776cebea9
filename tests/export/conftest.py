"""A diffusers folder without weights, and a conversion that writes a marker."""

import pytest

from taylorseer_ov.export import export
from tests.export.common import write_source


@pytest.fixture
def source(tmp_path):
    return write_source(tmp_path / "source")


@pytest.fixture
def fake_conversion(monkeypatch):
    """Have `convert` write a marker only; return a list of functions that it then calls."""
    actions = []

    def convert(source, unfinished, *options):
        (unfinished / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
        (unfinished / "marker").write_text(f"{options}")
        for action in actions:
            action()

    monkeypatch.setattr(export, "_require_packages", lambda lora: None)
    monkeypatch.setattr(export, "convert", convert)
    for name in ("check_tokenizers", "mend_configs", "draw_one_step"):
        monkeypatch.setattr(export, name, lambda *arguments: None)
    return actions
