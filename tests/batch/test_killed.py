"""What is left of a batch that is killed, stopped or run twice at once."""

import json
import random
import signal
import subprocess
import sys
import time
from functools import cache

import pytest
from PIL import Image

from taylorseer_ov import Recipe
from taylorseer_ov.cli import main
from tests.batch.common import assert_clean, command, drawn_lines, line, pictures, stamps
from tests.common import PROMPT

pytestmark = [pytest.mark.once, pytest.mark.posix]

KILLED_EVERYWHERE = """
import json, os, signal, sqlite3, sys, tempfile
from pathlib import Path
from taylorseer_ov.batch.folder import BatchFolder
from taylorseer_ov.batch.manifest import Entry
import filelock
import numpy as np

if sys.argv[1] == "no links":
    def link(source, target):
        raise PermissionError(1, "no hard links")
    os.link = link

LINES = [Entry(f"key{k}", k, "a prompt") for k in range(2)]
PNGS = {entry.key: [entry.key.encode() * 9, b"second"] for entry in LINES}

def draw(path):
    folder = BatchFolder(path)
    folder.open()
    folder.sweep({"key0", "key1"})
    folder.expect(LINES)
    for entry in LINES:
        with folder.claim(entry.key) as mine:
            assert mine
            if folder.is_done(folder.entry(entry)):
                folder.drop(entry.key, ["latents"])
                continue
            if folder.kept(entry.key, "latents") is None:
                folder.keep(entry.key, "latents", {"latents": np.zeros(3)})
            # as drawing again does: other times in the metadata, another size
            pngs = [png + os.urandom(1 + os.getpid() % 7) for png in PNGS[entry.key]]
            from dataclasses import replace
            folder.publish(replace(entry, status="done", seconds=1.0), ["same", "two"], pngs)
            folder.drop(entry.key, ["latents"])
    folder.write_manifest()

def killed_at(path, moment):
    child = os.fork()
    if not child:
        seen = 0
        def at_an_operation(*_):
            nonlocal seen
            seen += 1
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
        def audit(event, arguments):
            if event == "open" or event.startswith("os."):
                at_an_operation()
        def connected(*arguments, **named):
            database = connect(*arguments, **named)
            database.set_trace_callback(at_an_operation)
            return database
        connect, sqlite3.connect = sqlite3.connect, connected
        sys.addaudithook(audit)
        draw(path)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

def check(path):
    state = path / ".taylorseer-batch"
    assert [p.name for p in state.iterdir()] == ["lines.sqlite"], list(state.iterdir())
    names = sorted(p.name for p in path.glob("*.png"))
    assert names == ["same-2.png", "same.png", "two-2.png", "two.png"], names
    rows = [json.loads(row) for row in (path / "manifest.jsonl").read_text().splitlines()[1:]]
    assert [row["key"] for row in rows] == ["key0", "key1"], rows
    for entry in LINES:
        known = BatchFolder(path).entry(entry)
        assert [*known.files] == rows[known.line]["files"]
        first, second = (path / name for name in known.files)
        assert first.read_bytes().startswith(PNGS[entry.key][0])
        assert second.read_bytes().startswith(b"second")

moment = 0
killed = True
while killed:
    moment += 1
    with tempfile.TemporaryDirectory(dir=sys.argv[2]) as folder:
        path = Path(folder)
        killed = killed_at(path, moment)
        for picture in path.glob("*.png"):  # whole, or the empty place of a disk without links
            size = picture.stat().st_size
            assert size > 6 or (size == 0 and sys.argv[1] == "no links"), picture
        draw(path)
        check(path)
print(moment)
"""


@pytest.mark.parametrize("links", ["links", "no links"])
def test_a_kill_before_any_operation_on_a_file_leaves_nothing_half_done(links, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED_EVERYWHERE, links, tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(line(seed=seed)) + "\n" for seed in range(8)))
    return path


@pytest.fixture(scope="module")
def quickly(compiled, tmp_path_factory):
    """Return an option, and that with which processes find models compiled instead of writing them.

    One that is killed may leave half of what it writes there.
    """
    folder = tmp_path_factory.mktemp("quickly")
    one_line = folder / "line.txt"
    one_line.write_text(PROMPT)

    @cache
    def options(option):
        found = [option, "--cache-dir", str(compiled)]
        words = command(folder / option, one_line, "--steps", "1", *found)
        assert main([*map(str, words[3:])]) == 0
        return found

    return options


@pytest.mark.parametrize("option", ["--backend=python", "--low-memory"])
def test_killed_batches_are_finished_by_the_next(option, prompts, tmp_path, quickly):
    folder = tmp_path / "out"
    words = command(folder, prompts, *quickly(option))
    moments = random.Random(option)
    for _ in range(3):
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as batch:
            # two events are seen at once, then it ends somewhere in the next
            for _ in range(moments.randint(1, 2)):
                batch.stdout.readline()
            time.sleep(moments.random() * 0.3)
            batch.send_signal(signal.SIGKILL)
        for path in folder.glob("*.png"):
            Recipe.from_picture(path)
            Image.open(path).load()
    before = stamps(folder)
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = stamps(folder)
    assert {name: after[name] for name in before} == before
    assert sorted(after) == [f"a-red-circle-on-black_seed{seed}.png" for seed in range(8)]
    assert len(drawn_lines(done.stdout)) == 8 - len(before)
    assert_clean(folder)


def test_two_processes_share_a_folder(prompts, tmp_path, quickly):
    folder = tmp_path / "out"
    words = command(folder, prompts, *quickly("--backend=python"))
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [batch.communicate()[0] for batch in both]
    assert [batch.returncode for batch in both] == [0, 0]
    assert sorted(drawn_lines(outputs[0]) + drawn_lines(outputs[1])) == list(range(1, 9))
    assert len(pictures(folder)) == 8
    assert_clean(folder)


def test_ctrl_c_stops_after_a_picture_and_says_how_to_go_on(prompts, tmp_path, quickly):
    folder = tmp_path / "out"
    words = command(folder, prompts, *quickly("--backend=python"))
    words.remove("--json")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as batch:
        first = batch.stdout.readline()
        batch.send_signal(signal.SIGINT)
        output, error = batch.communicate()
    assert first.startswith("line 1: ")
    assert batch.returncode == 130
    assert "finishing the pictures that are begun; Ctrl-C again stops at once" in error
    assert "stopped: run the same command again to draw what is left" in output
    drawn = len(pictures(folder))
    assert 1 <= drawn < 8
    assert_clean(folder)
