"""Exports that cannot begin: options, sources and packages."""

import pytest

from taylorseer_ov.cli import main
from taylorseer_ov.export.checkpoint import ExportError
from taylorseer_ov.export.export import export_model
from tests.export.common import names, write_source

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and its friends warn at every import


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"weight_format": "fp8"}, "use one of fp32, fp16, int8, int4"),
        ({"weight_format": "int8", "group_size": 64}, "for int4 only"),
        ({"ratio": 0.8}, "for int4 only"),
        ({"sym": True}, "for int8 and int4 only"),
        ({"weight_format": "int4", "group_size": 0}, "group size 0"),
        ({"weight_format": "int4", "ratio": 1.5}, "from 0 to 1"),
    ],
)
def test_options_that_do_not_go_together(source, tmp_path, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        export_model(source, tmp_path / "out", **options)
    assert names(tmp_path) == ["source"]


def test_sources_that_are_no_pipeline(tmp_path):
    with pytest.raises(ValueError, match="neither a folder nor a hub id"):
        export_model(tmp_path / "missing", tmp_path / "out")
    single_file = tmp_path / "flux.safetensors"
    single_file.touch()
    with pytest.raises(ValueError, match="neither a folder nor a hub id"):
        export_model(single_file, tmp_path / "out")
    with pytest.raises(ValueError, match=r"no readable model_index\.json"):
        export_model(tmp_path, tmp_path / "out")
    write_source(tmp_path / "done")
    (tmp_path / "done" / "transformer" / "openvino_model.xml").touch()
    with pytest.raises(ValueError, match="an OpenVINO export already"):
        export_model(tmp_path / "done", tmp_path / "out")


@pytest.mark.parametrize("inner", [".", "model/source"])
def test_the_source_is_never_replaced(tmp_path, inner):
    source = write_source(tmp_path / "out" / inner)
    with pytest.raises(ValueError, match=r"the source .* is in the output"):
        export_model(source, tmp_path / "out", overwrite=True)
    assert (source / "model_index.json").exists()


def test_missing_packages_are_named_with_the_remedy(source, tmp_path, monkeypatch):
    def find_spec(name):
        if name.startswith("optimum"):
            raise ModuleNotFoundError(name)
        return None if name == "torch" else object()

    monkeypatch.setattr("importlib.util.find_spec", find_spec)
    with pytest.raises(ExportError, match=r"torch, optimum\.intel; .*taylorseer-ov\[export\]"):
        export_model(source, tmp_path / "out")


def test_status_of_the_command_line(source, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    arguments = ["export", str(source), str(tmp_path / "out")]
    assert main([*arguments, "--sym"]) == 2
    assert main(arguments) == 1
    assert main([*arguments, "--weight-format", "fp8"]) == 2
    output = capsys.readouterr()
    assert output.out == ""  # nothing is said of the work before it is sure that it is done
    first, second, *_ = output.err.splitlines()
    assert first == "taylorseer-ov: error: sym is for int8 and int4 only, not for fp16"
    assert second.startswith("taylorseer-ov: error: exporting needs torch, ")
