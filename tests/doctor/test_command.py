"""The doctor's command: its exit status, its lines, and what it can do without."""

import json
import os
import subprocess
import sys

from taylorseer_ov.cli import main


def run(*arguments, blocked=()):
    """Run the command line in a process where some packages cannot be imported."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({list(blocked)!r})); "
        "from taylorseer_ov.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "doctor", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ})


def test_the_exit_status_is_1_for_a_problem_and_2_for_misuse(model_copy, tmp_path, capsys):
    assert main(["doctor"]) == 0
    assert main(["doctor", "demo", "--steps", "4", "--cache-interval", "3"]) == 0
    assert "caching is inactive" in capsys.readouterr().out
    (model_copy / "transformer" / "openvino_model.bin").unlink()
    assert main(["doctor", str(model_copy)]) == 1
    assert "openvino_model.bin is missing" in capsys.readouterr().out
    assert main(["doctor", str(tmp_path / "nowhere")]) == 2
    assert "there is no model folder" in capsys.readouterr().err
    assert main(["doctor", "--fix"]) == 2


def test_findings_as_json_lines(model_copy, capsys):
    (model_copy / "preview.json").write_text("[]")
    assert main(["doctor", str(model_copy), "--json"]) == 1
    *findings, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert last["event"] == "diagnosis"
    assert last["problems"] == 1
    [problem] = [finding for finding in findings if finding["status"] == "problem"]
    assert problem["event"] == "finding"
    assert problem["subject"] == "preview.json"
    assert set(problem) == {"event", "subject", "status", "text", "remedy"}


def test_it_works_where_openvino_cannot_be_imported():
    done = run("demo", blocked=("openvino", "openvino_genai", "openvino_tokenizers"))
    assert done.returncode == 1
    assert done.stderr == ""
    assert "OpenVINO cannot be asked for its devices" in done.stdout
    assert "14 of 28 steps run the transformer" in done.stdout


def test_it_loads_no_model_and_needs_neither_openvino_genai_nor_the_tokenizers():
    done = run("demo", blocked=("openvino_genai", "openvino_tokenizers", "torch", "PIL"))
    assert done.returncode == 0
    assert done.stderr == ""
