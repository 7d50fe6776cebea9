"""Windows, as far as it can be had elsewhere: what it lacks, its long paths, its code pages.

Not shown here: paths with drives and backslashes, filelock's lock of Windows, how openvino reads
long paths there. The workflow in `.github` runs the tests on Windows.
"""

import ast
import json
import os
import subprocess
import sys

import pytest

from tests.house.test_rooms import PACKAGE, SOURCES

# a Windows without a setting of its own stops at 260 characters
DEEP = os.path.join("ein Ordner mit Umläuten", *["画の長い名前 🎨 and blanks between"] * 7)
PRETEND = "from tests.house.as_on_windows import pretend; pretend()\n"
IMPORT_ALL = """
import importlib, pkgutil, taylorseer_ov
found = pkgutil.walk_packages(taylorseer_ov.__path__, "taylorseer_ov.")
modules = [module.name for module in found]
assert len(modules) > 100
for name in modules:
    if not name.endswith("__main__"):
        importlib.import_module(name)
"""
COMMANDS = """
import json, shutil, sys
from taylorseer_ov.cli import main
shutil.copytree(taylorseer_ov.demo_model_path(), "model é")
for command in json.loads(sys.argv[1]):
    status = main(command)
    assert status == 0, (status, command)
"""


def run(script, *arguments, folder, **environment):
    """Run a script in a folder; without a setting of its own, Windows' output is in a code page."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONIOENCODING": "cp1252"} | environment,
        capture_output=True,
        text=True,
        encoding="cp1252",
    )


@pytest.mark.once
@pytest.mark.posix
def test_all_is_done_without_what_windows_has_not(tmp_path):
    """Every module is imported, and commands run, in a folder with umlauts and a long path."""
    folder = tmp_path / DEEP
    folder.mkdir(parents=True)
    assert len(str(folder)) > 260
    rows = [
        {"prompt": f"a {colour} circle", "steps": 2, "cache": None} for colour in ("red", "画🎨")
    ]
    (folder / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prompts = "\ufeffa red circle on black\na large blue square on white\na green star 画\n"
    (folder / "prompts.txt").write_text(prompts, encoding="utf-8")
    batch = ["batch", "model é", "lines.jsonl", "-o", "out ö", "--precision", "f32"]
    quick = ["--steps", "3", "--precision", "f32", "--cache", "off"]
    commands = [
        [*batch, "--embedding-cache", "embeddings ß"],
        batch,
        [
            *("calibrate", "model é", "--prompts", "prompts.txt", "--steps", "6", "--runs", "4"),
            *("--into", "model é"),
        ],
        ["generate", "model é", "a red circle 画", "-o", "pictures 🎨", *quick],
        ["info", os.path.join("pictures 🎨", "a-red-circle-画_seed42.png")],
        ["info", "model é"],
        ["doctor", "model é"],
    ]
    done = run(PRETEND + IMPORT_ALL + COMMANDS, json.dumps(commands), folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 drawn" in done.stdout
    assert "2 there already" in done.stdout
    assert len(list((folder / "out ö").glob("*.png"))) == 2
    state = folder / "out ö" / ".taylorseer-batch"
    assert [path.name for path in state.iterdir()] == ["lines.sqlite"]
    assert list((folder / "embeddings ß").glob("*.embedding"))
    assert f"wrote {os.path.join('model é', 'cache_plans.json')}" in done.stdout
    left = [path.name for path in folder.rglob(".*") if path.name != ".taylorseer-batch"]
    assert left == []
    assert "ufeff" not in done.stderr  # what Windows' editor begins a file with


@pytest.mark.posix
def test_a_file_that_somebody_reads_is_replaced_a_moment_later(tmp_path):
    """On Windows a reader, a virus scanner perhaps, keeps a file from being replaced."""
    script = """
import threading, time
from pathlib import Path
from taylorseer_ov.files import write_over
path = Path("plans.json")
path.write_bytes(b"old")
file = path.open("rb")
try:
    path.replace("elsewhere")
    raise AssertionError("a file that is open was moved")
except PermissionError:
    pass
threading.Timer(0.2, file.close).start()
write_over(path, b"new")
assert path.read_bytes() == b"new" and len(list(Path().iterdir())) == 1
"""
    done = run(PRETEND + script, folder=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.posix
def test_an_embedding_that_another_reads_is_there(tmp_path):
    script = """
import warnings
from pathlib import Path
from taylorseer_ov.flux.embedding_cache import EmbeddingCache
warnings.simplefilter("error")
cache = EmbeddingCache(Path("kept"))
cache.put("key", pooled=[1.0])
(entry,) = Path("kept").iterdir()
with entry.open("rb"):
    cache.put("key", pooled=[1.0])
assert cache.get("key")["pooled"] == [1.0] and list(Path("kept").iterdir()) == [entry]
"""
    done = run(PRETEND + script, folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_code_page_without_a_character_ends_nothing(tmp_path, pipeline):
    """What it has not is shown as an escape, as Python does on stderr."""
    with pytest.warns(UserWarning, match="does not know"):
        drawn = pipeline.generate("a red circle 画", num_inference_steps=2, cache=None)
    (picture,) = drawn.save(tmp_path)
    script = "import sys; from taylorseer_ov.cli import main; sys.exit(main(sys.argv[1:]))"
    done = run(script, "info", str(picture), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a red circle \\u753b" in done.stdout


def test_every_text_file_is_read_and_written_in_an_encoding_that_is_said():
    """The usual one is not UTF-8 on Windows."""
    unsaid = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and opens_text(node)
        if not any(keyword.arg in ("encoding", None) for keyword in node.keywords)
    ]
    assert unsaid == []
    for face in PACKAGE.rglob("*.pyi"):  # lazy_loader reads them in the usual encoding
        assert face.read_text(encoding="utf-8").isascii(), face


def opens_text(call):
    """Whether a call reads or writes a file as text."""
    name = getattr(call.func, "attr", getattr(call.func, "id", None))
    if name in ("read_text", "write_text"):
        return True
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    modes = [value.value for value in values if isinstance(value, ast.Constant)]
    # what else is called so, such as `folder.open()`, is given no mode; descriptors have no text
    opens = name in ("open", "fdopen") and (modes or isinstance(call.func, ast.Name))
    return (
        opens
        and ast.unparse(call.func) != "os.open"
        and not any("b" in mode for mode in modes if isinstance(mode, str))
    )
