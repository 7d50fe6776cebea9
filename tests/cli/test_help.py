"""`--help` and completion answer at once: they load none of the libraries that drawing takes."""

import json
import subprocess
import sys

import pytest

from taylorseer_ov.caching.config import TaylorSeerCacheConfig
from taylorseer_ov.cli import COMMANDS, main

HEAVY = {"numpy", "openvino", "openvino_genai", "PIL", "torch", "tqdm", "shtab", "diffusers"}
NAMES = [command.__name__.rpartition(".")[2] for command in COMMANDS]
# as `python -m taylorseer_ov.cli` runs it, with a last line that names what was loaded
PROGRAM = """
import json, runpy, sys
try:
    runpy.run_module("taylorseer_ov.cli", run_name="__main__", alter_sys=True)
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def run(*words):
    """What the program prints, by lines, and which of the libraries it has loaded."""
    command = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *told, loaded = done.stdout.splitlines()
    return told, HEAVY & set(json.loads(loaded))


@pytest.mark.parametrize("words", [[], ["generate"], ["export"]])
def test_help_loads_no_library(words):
    told, loaded = run(*words, "--help")
    assert told[0].startswith(" ".join(["usage: taylorseer-ov", *words]))
    assert loaded == set()


def test_completion_loads_only_what_writes_it():
    told, loaded = run("completion", "bash")
    assert any("taylorseer-ov" in line for line in told)
    assert loaded == {"shtab"}


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [word for word in listed if word in NAMES] == NAMES


@pytest.mark.parametrize("option", ["cache-interval", "max-order"])
def test_help_tells_the_defaults_that_hold(option, capsys):
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    _, _, after = told.rpartition(f"--{option} N")
    value = getattr(TaylorSeerCacheConfig(), option.replace("-", "_"))
    assert f"(default: {value})" in after.partition(" --")[0]
