"""An export is whole or not there at all."""

import signal
import subprocess
import sys
import textwrap

import pytest

from taylorseer_ov.cli import main
from taylorseer_ov.export.checkpoint import ExportError
from taylorseer_ov.export.export import export_model
from tests.export.common import names, raise_, write_source

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and its friends warn at every import


@pytest.mark.export
@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            RuntimeError("it burns\nat 7"),
            1,
            "taylorseer-ov: error: the conversion failed: RuntimeError: it burns",
        ),
        (KeyboardInterrupt(), 130, "taylorseer-ov: error: stopped"),
    ],
)
def test_a_failed_export_leaves_nothing(
    source, tmp_path, fake_conversion, capsys, error, status, line
):
    fake_conversion.append(lambda: raise_(error))
    assert main(["export", str(source), str(tmp_path / "new" / "out")]) == status
    assert capsys.readouterr().err.splitlines() == [line]
    assert names(tmp_path / "new") == []


@pytest.mark.export
@pytest.mark.posix
def test_a_killed_export_is_cleared_away_by_the_next(source, tmp_path, fake_conversion):
    output = tmp_path / "out"
    program = f"""
        import os, signal
        from taylorseer_ov.export import export

        def convert(source, unfinished, *options):
            (unfinished / "model_index.json").write_text("half of it")
            os.kill(os.getpid(), signal.SIGKILL)

        export.convert = convert
        export.export_model({str(source)!r}, {str(output)!r})
    """
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert process.returncode == -signal.SIGKILL
    assert names(tmp_path) == [".out.lock", ".out.unfinished", "source"]
    export_model(source, output)
    assert names(tmp_path) == ["out", "source"]
    assert names(output) == ["marker", "model_index.json"]


@pytest.mark.export
def test_one_killed_between_two_renames_loses_nothing(source, tmp_path, fake_conversion):
    write_source(tmp_path / ".out.replaced")
    with pytest.raises(FileExistsError):
        export_model(source, tmp_path / "out")
    assert names(tmp_path) == ["out", "source"]
    assert (tmp_path / "out" / "transformer").exists()


@pytest.mark.export
def test_existing_output_is_kept_until_the_new_one_is_whole(
    source, tmp_path, fake_conversion, capsys
):
    output = write_source(tmp_path / "out")
    assert main(["export", str(source), str(output)]) == 2
    assert "exists; choose another output, or --overwrite" in capsys.readouterr().err
    fake_conversion[:] = [lambda: raise_(RuntimeError)]
    assert main(["export", str(source), str(output), "--overwrite"]) == 1
    assert names(output) == ["model_index.json", "transformer"]
    fake_conversion[:] = [lambda: (output / "transformer").stat()]
    assert main(["export", str(source), str(output), "--overwrite"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "no --weight-format given: fp16 for every part"
    assert names(output) == ["marker", "model_index.json"]
    assert names(tmp_path) == ["out", "source"]


@pytest.mark.export
def test_only_exports_are_overwritten(source, tmp_path, fake_conversion):
    (tmp_path / "documents").mkdir()
    export_model(source, tmp_path / "documents", overwrite=True)  # empty
    (tmp_path / "documents" / "model_index.json").unlink()
    with pytest.raises(FileExistsError, match="is no exported model"):
        export_model(source, tmp_path / "documents", overwrite=True)
    assert names(tmp_path / "documents") == ["marker"]


@pytest.mark.export
def test_two_exports_to_one_place(source, tmp_path, fake_conversion):
    def export_again():
        with pytest.raises(ExportError, match=r"another export to .*out is running"):
            export_model(source, tmp_path / "out")

    fake_conversion.append(export_again)
    assert export_model(source, tmp_path / "out") == tmp_path / "out"
