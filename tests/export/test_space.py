"""How much disk an export takes, told before it begins."""

import shutil
from types import SimpleNamespace

import pytest

from taylorseer_ov.export.checkpoint import ExportError, count_parameters, parts_of, require_space
from taylorseer_ov.export.export import export_model
from tests.export.common import names, write_source

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and its friends warn at every import


def test_parameters_are_counted_from_headers(source):
    assert count_parameters(source) == 1000
    weights = source / "transformer" / "diffusion_pytorch_model.safetensors"
    shutil.copy(weights, weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    assert count_parameters(source) == 1000
    shutil.copy(weights, weights.with_name("diffusion_pytorch_model-00002-of-00002.safetensors"))
    assert count_parameters(source) == 2000
    weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ExportError, match="git lfs pull"):
        count_parameters(source)
    for path in source.glob("*/*.safetensors"):
        path.unlink()
    with pytest.raises(ExportError, match="has no weights"):
        count_parameters(source)


def test_only_parts_that_are_there():
    index = {"_class_name": "X", "vae": ["diffusers", "V"], "image_encoder": [None, None]}
    assert parts_of(index) == {"vae": "V"}
    assert parts_of(index, "tokenizer") == {}


def test_demands_on_one_disk_add_up(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5_000_000_000))
    demands = [(tmp_path / "cache", 3e9, "download it"), (tmp_path / "a" / "b", 2e9, "export it")]
    require_space(demands)
    with pytest.raises(ExportError) as error_info:
        require_space([*demands, (tmp_path, 1.5e9, "keep it")])
    assert str(error_info.value) == (
        f"not enough disk space at {tmp_path}: to download it and to export it and to keep it "
        "takes about 6.5 GB, 5 GB are free; make room, or use another disk"
    )


@pytest.mark.export
@pytest.mark.parametrize(
    ("weight_format", "needed"), [("fp32", 41), ("fp16", 28), ("int8", 33), ("int4", 29)]
)
def test_too_small_a_disk_is_noticed_first(
    tmp_path, monkeypatch, fake_conversion, weight_format, needed
):
    source = write_source(tmp_path / "source", shape=(100_000, 100_000))
    fake_conversion.append(lambda: pytest.fail("converted nevertheless"))
    free = (needed - 1) * 1_000_000_000
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    complaint = rf"1e\+10 parameters\) as {weight_format} .* {needed} GB, {needed - 1} GB are free"
    with pytest.raises(ExportError, match=complaint):
        export_model(source, tmp_path / "out", weight_format=weight_format)
    assert names(tmp_path) == ["source"]
