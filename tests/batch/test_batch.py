"""Batches: what a line may be, what is drawn, and what is left when a process is killed."""

import contextlib
import io
import json
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from taylorseer_ov import PromptWarning, Recipe, Text2ImagePipeline, demo_model_path
from taylorseer_ov.batch.folder import BatchFolderError
from taylorseer_ov.batch.lines import BadLine, BatchLine, parse_lines
from taylorseer_ov.batch.run import BadLinesError, run_batch
from taylorseer_ov.cli import main
from taylorseer_ov.files import locked, locked_if_free
from taylorseer_ov.flux.parts import Part
from tests.common import F32, PROMPT

QUICK = {"steps": 2}
FAILS = {"guidance": 1e38}  # which the embedding of the guidance turns into infinities


def line(prompt="a red circle on black", **asked):
    return {"prompt": prompt} | QUICK | asked


def statuses(outcomes):
    return {outcome.line: outcome.status for outcome in outcomes}


def manifest(folder):
    first, *rows = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    assert first == {"format": "taylorseer_ov.batch/1"}
    return rows


def pictures(folder):
    return {path.name: np.asarray(Image.open(path)) for path in folder.glob("*.png")}


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}


def assert_clean(folder):
    """Nothing but whole pictures and the manifest."""
    assert list((folder / ".taylorseer-batch").iterdir()) == []
    names = {name for row in manifest(folder) for name in row["files"]}
    present = {path.name for path in folder.iterdir()}
    assert present == names | {"manifest.jsonl", ".taylorseer-batch"}


# --- lines -------------------------------------------------------------------------------------


def test_a_text_file_has_a_prompt_a_line():
    data = '\ufeffa red circle\r\n\n  a blue \x0bstar {"x"}  \n'.encode()
    assert list(parse_lines(data)) == [
        BatchLine(1, "a red circle"),
        BatchLine(3, 'a blue \x0bstar {"x"}'),
    ]
    assert list(parse_lines(b'{"prompt": "a"}', json_lines=False)) == [
        BatchLine(1, '{"prompt": "a"}')
    ]


def test_json_lines_have_settings_under_short_names_too():
    data = b"""
{"prompt": "a", "seed": 3, "steps": 4, "guidance": 2, "width": 64, "name": "x", "cache": "off"}
{"prompt": "b", "cache": {"tolerance": 0.1}}"""
    first, second = parse_lines(data)
    assert (first.number, first.prompt, first.name) == (2, "a", "x")
    assert first.settings == {
        "rng_seed": 3,
        "num_inference_steps": 4,
        "guidance_scale": 2,
        "width": 64,
        "cache": None,
    }
    assert second.settings == {"cache": {"tolerance": 0.1}}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b'{"prompt": "a"', "it is not JSON"),
        (b"[1]", "it is not a JSON object such as"),
        (b'{"seed": 1}', "it has no prompt"),
        (b'{"prompt": "a", "seed": 1, "rng_seed": 2}', "two names for one setting"),
        (b'{"prompt": "a", "seed": 1, "seed": 2}', "it has a name twice"),
        (b'{"prompt": "\xff"}', "'utf-8' codec can't decode"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"prompt": "' + b"x" * (1 << 20) + b'"}', "it has more than 1048576 bytes"),
        *(
            (json.dumps({"prompt": "a", "name": name}).encode(), "name must")
            for name in ("../x", "a/b", "a\\b", "", ".x", "x.", "a\0", "NUL", "com1.x", "é" * 51, 3)
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_lines_are_named_with_their_number(row, message):
    first, bad = parse_lines(b'{"prompt": "good"}\n' + row)
    assert isinstance(first, BatchLine)
    assert isinstance(bad, BadLine)
    assert bad.number == 2
    assert message in bad.error


@settings(max_examples=300, deadline=None)
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_lines_or_bad_lines(data):
    for json_lines in (None, True, False):
        read = list(parse_lines(data, json_lines))
        assert all(isinstance(row, BatchLine | BadLine) for row in read)
        numbers = [row.number for row in read]
        assert numbers == sorted(set(numbers))


# --- drawing -----------------------------------------------------------------------------------


def test_a_batch_draws_what_generate_draws(pipeline, tmp_path):
    asked = [
        line(seed=1),
        line(seed=2, width=64, height=96),
        line(name="Two of them", num_images_per_prompt=2),
    ]
    seen = []
    outcomes = run_batch(pipeline, asked, tmp_path, progress=lambda *told: seen.append(told[:3]))
    assert statuses(outcomes) == {1: "drawn", 2: "drawn", 3: "drawn"}
    assert seen == [("draw", 1, 3), ("draw", 2, 3), ("draw", 3, 3)]
    steps = {"num_inference_steps": 2}
    prompt = "a red circle on black"
    expected = {
        "a-red-circle-on-black_seed1.png": pipeline.generate(prompt, rng_seed=1, **steps).data[0],
        "a-red-circle-on-black_seed2.png": pipeline.generate(
            prompt, rng_seed=2, width=64, height=96, **steps
        ).data[0],
    }
    pair = pipeline.generate(prompt, num_images_per_prompt=2, **steps).data
    expected |= {f"Two of them_{k + 1}of2.png": pair[k] for k in range(2)}
    drawn = pictures(tmp_path)
    assert drawn.keys() == expected.keys()
    assert all(np.array_equal(drawn[name], expected[name]) for name in drawn)
    rows = manifest(tmp_path)
    assert [(row["line"], row["status"], row["error"]) for row in rows] == [
        (1, "done", None),
        (2, "done", None),
        (3, "done", None),
    ]
    assert all(row["seconds"] > 0 for row in rows)
    assert_clean(tmp_path)
    recipe = Recipe.from_picture(tmp_path / "a-red-circle-on-black_seed2.png")
    assert (recipe.asked.width, recipe.seed) == (64, 2)


def test_only_what_is_missing_or_changed_is_drawn(pipeline, tmp_path):
    asked = [line(seed=seed) for seed in range(3)]
    list(run_batch(pipeline, asked, tmp_path))
    before = stamps(tmp_path)
    assert set(statuses(run_batch(pipeline, asked, tmp_path)).values()) == {"present"}
    assert stamps(tmp_path) == before
    # moved lines are the same lines; a deleted picture is drawn again; a changed line is a new one
    (tmp_path / "a-red-circle-on-black_seed1.png").unlink()
    changed = [asked[2] | {"steps": 3}, asked[1], asked[0]]
    again = statuses(run_batch(pipeline, changed, tmp_path))
    assert again == {1: "drawn", 2: "drawn", 3: "present"}
    assert set(stamps(tmp_path)) == set(before) | {"a-red-circle-on-black_seed2-2.png"}
    assert [row["line"] for row in manifest(tmp_path)] == [3, 2, 3, 1]
    list(run_batch(pipeline, changed, tmp_path, metadata=False))
    assert_clean(tmp_path)


def test_equal_lines_are_drawn_as_often_as_they_are_there(pipeline, tmp_path):
    same = [line(), line()]
    assert statuses(run_batch(pipeline, same, tmp_path)) == {1: "drawn", 2: "drawn"}
    first, second = pictures(tmp_path).values()
    assert np.array_equal(first, second)
    more = statuses(run_batch(pipeline, [*same, line()], tmp_path))
    assert more == {1: "present", 2: "present", 3: "drawn"}


def test_a_line_is_new_with_other_weights_or_another_plan(pipeline, model_copy, tmp_path):
    out = tmp_path / "out"
    plan = tmp_path / "plan.json"
    plan.write_text(pipeline.prepare(PROMPT, num_inference_steps=2).cache.to_json())
    asked = [line(cache=str(plan))]
    list(run_batch(pipeline, asked, out))
    assert statuses(run_batch(pipeline, asked, out)) == {1: "present"}
    text = plan.read_text()
    plan.write_text(text.replace('{"1": 1.0}', '{"0": 0.5, "1": 0.5}'))
    assert plan.read_text() != text
    assert statuses(run_batch(pipeline, asked, out)) == {1: "drawn"}
    weights = model_copy / "vae_decoder" / "openvino_model.bin"
    with weights.open("r+b") as file:
        file.write(b"\0\0")
    other = Text2ImagePipeline(model_copy, backend="python", **F32)
    assert statuses(run_batch(other, asked, out)) == {1: "drawn"}
    assert len(pictures(out)) == 3


def test_settings_that_lines_leave_out_are_the_pipelines(tmp_path):
    own = Text2ImagePipeline(demo_model_path(), backend="python", **F32)
    own.set_generation_config(own.get_generation_config().updated({"num_inference_steps": 2}))
    list(run_batch(own, ["a red circle on black"], tmp_path))
    (path,) = tmp_path.glob("*.png")
    assert Recipe.from_picture(path).asked.num_inference_steps == 2


def test_bad_lines_are_all_named_before_anything_is_drawn(pipeline, tmp_path):
    wrong = [line(width=100), line(widht=64), BadLine(9, "odd"), line(cache="quick"), line(5)]
    asked = [line(), *wrong]
    with pytest.raises(BadLinesError, match="nothing was drawn: line 2: width must be") as caught:
        run_batch(pipeline, asked, tmp_path / "out")
    assert [bad.number for bad in caught.value.lines] == [2, 3, 9, 5, 6]
    assert not (tmp_path / "out").exists()
    outcomes = list(run_batch(pipeline, asked, tmp_path, skip_bad_lines=True))
    assert statuses(outcomes) == {1: "drawn"} | dict.fromkeys((2, 3, 9, 5, 6), "bad")
    assert "did you mean 'width'" in outcomes[1].error
    bad = [row for row in manifest(tmp_path) if row["status"] == "bad"]
    assert [row["line"] for row in bad] == [2, 3, 9, 5, 6]


def test_a_generator_is_refused(pipeline, tmp_path):
    class Noise:
        def randn_tensor(self, shape):
            return np.zeros(tuple(shape))

    with pytest.raises(BadLinesError, match="a batch takes seeds, not a generator"):
        run_batch(pipeline, [line(generator=Noise())], tmp_path)
    with pytest.raises(BadLinesError, match="not valid Unicode"):
        run_batch(pipeline, ["\ud800"], tmp_path)


def test_warnings_name_their_line(pipeline, tmp_path):
    with pytest.warns(PromptWarning, match="^line 2: this model's .* does not know 'purple'"):
        run_batch(pipeline, [line(), line("a purple star")], tmp_path)


@pytest.mark.parametrize("low_memory", [False, True])
def test_a_failing_picture_does_not_stop_the_rest_and_is_tried_again(low_memory, tmp_path):
    own = Text2ImagePipeline(demo_model_path(), backend="python", low_memory=low_memory, **F32)
    asked = [line(seed=1), line(**FAILS), line(seed=2)]
    outcomes = {outcome.line: outcome for outcome in run_batch(own, asked, tmp_path)}
    assert statuses(outcomes.values()) == {1: "drawn", 2: "failed", 3: "drawn"}
    assert outcomes[2].error.startswith("NotFiniteError: the transformer returned values that")
    assert manifest(tmp_path)[1]["error"] == outcomes[2].error
    assert_clean(tmp_path)
    again = statuses(run_batch(own, asked, tmp_path))
    assert again == {1: "present", 2: "failed", 3: "present"}


def test_shards_share_the_lines(pipeline, tmp_path):
    asked = [line(seed=seed) for seed in range(5)]
    assert statuses(run_batch(pipeline, asked, tmp_path, shard=(2, 2))) == {2: "drawn", 4: "drawn"}
    assert [row["status"] for row in manifest(tmp_path)] == [
        "pending",
        "done",
        "pending",
        "done",
        "pending",
    ]
    assert statuses(run_batch(pipeline, asked, tmp_path, shard=(1, 2))) == dict.fromkeys(
        (1, 3, 5), "drawn"
    )
    for shard in ((0, 2), (3, 2), (1, 0)):
        with pytest.raises(ValueError, match="must be a whole number"):
            run_batch(pipeline, asked, tmp_path, shard=shard)


def test_stop_leaves_the_rest_for_later(pipeline, tmp_path):
    asked = [line(seed=seed) for seed in range(3)]
    seen = []
    run = run_batch(
        pipeline,
        asked,
        tmp_path,
        stop=lambda: bool(seen),
        progress=lambda *told: seen.append(told),
    )
    assert statuses(run) == {1: "drawn"}
    assert statuses(run_batch(pipeline, asked, tmp_path)) == {1: "present", 2: "drawn", 3: "drawn"}


def test_pictures_of_the_user_are_left_alone(pipeline, tmp_path):
    mine = tmp_path / "a-red-circle-on-black_seed1.png"
    mine.write_text("mine")
    list(run_batch(pipeline, [line(seed=1)], tmp_path))
    assert mine.read_text() == "mine"
    assert set(stamps(tmp_path)) == {mine.name, "a-red-circle-on-black_seed1-2.png"}


@pytest.mark.parametrize(
    "content",
    [
        "my own notes",
        "",
        '{"format": "taylorseer_ov.batch/1"}\n[]',
        '{"format": "taylorseer_ov.batch/1"}\n{"key": "a", "line": 1, "prompt": "", '
        '"status": "done", "files": ["../x"], "sizes": [0], "seconds": 1, "error": null}',
    ],
)
def test_another_manifest_is_refused_and_kept(pipeline, content, tmp_path):
    (tmp_path / "manifest.jsonl").write_text(content)
    with pytest.raises(BatchFolderError, match="is not the manifest of a batch, or damaged"):
        run_batch(pipeline, [line()], tmp_path)
    assert (tmp_path / "manifest.jsonl").read_text() == content
    assert len(list(tmp_path.iterdir())) == 1


# --- low memory --------------------------------------------------------------------------------


@pytest.fixture
def loads(monkeypatch):
    """Which models are compiled, in order."""
    loaded = []
    compile_part = Part.compile

    def compile_and_note(part):
        loaded.append(type(part).__name__)
        compile_part(part)

    monkeypatch.setattr(Part, "compile", compile_and_note)
    return loaded


def frugal_pipeline(**properties):
    return Text2ImagePipeline(demo_model_path(), low_memory=True, **(F32 | properties))


def test_with_low_memory_each_model_is_loaded_once(loads, tmp_path):
    asked = [line(seed=seed, cache={"tolerance": 0.1}, steps=6) for seed in range(3)]
    seen = []
    outcomes = list(
        run_batch(frugal_pipeline(), asked, tmp_path, progress=lambda *told: seen.append(told[:3]))
    )
    assert loads == ["TextEncoder", "TextEncoder", "FluxTransformer", "VaeDecoder"]
    stages = ("pooled", "text", "latents", "decode")
    assert seen == [(stage, number, 3) for stage in stages for number in (1, 2, 3)]
    assert_clean(tmp_path)
    again = frugal_pipeline()
    for outcome in outcomes:
        (path,) = outcome.files
        recipe = Recipe.from_picture(path)
        expected = again.generate(**recipe.settings())
        assert np.array_equal(np.asarray(Image.open(path)), expected.data[0])
        assert recipe.report["schedule"] == expected.report.schedule
        errors = {int(step): error for step, error in recipe.report["forecast_errors"].items()}
        assert errors == expected.report.forecast_errors


def test_what_is_denoised_is_not_denoised_again(loads, tmp_path):
    asked = [line(seed=seed) for seed in range(2)]
    seen = []
    run = run_batch(
        frugal_pipeline(),
        asked,
        tmp_path,
        stop=lambda: ("latents", 2, 2) in seen,
        progress=lambda *told: seen.append(told[:3]),
    )
    assert list(run) == []
    assert sorted(path.name[32:] for path in (tmp_path / ".taylorseer-batch").iterdir()) == [
        "-latents.npz",
        "-latents.npz",
    ]
    loads.clear()
    assert statuses(run_batch(frugal_pipeline(), asked, tmp_path)) == {1: "drawn", 2: "drawn"}
    assert loads == ["VaeDecoder"]
    assert_clean(tmp_path)


def test_what_another_precision_has_left_is_not_used(loads, tmp_path):
    for stopped in (True, False):
        seen = []
        pipeline = frugal_pipeline(INFERENCE_PRECISION_HINT="f32" if stopped else "bf16")
        outcomes = run_batch(
            pipeline,
            [line()],
            tmp_path,
            stop=lambda seen=seen, stopped=stopped: stopped and ("latents", 1, 1) in seen,
            progress=lambda *told, seen=seen: seen.append(told[:3]),
        )
        assert len(list(outcomes)) == (0 if stopped else 1)
    assert loads.count("FluxTransformer") == 2
    assert_clean(tmp_path)


# --- locks -------------------------------------------------------------------------------------


def test_a_lock_is_held_by_one(tmp_path):
    path = tmp_path / "lock"
    with locked_if_free(path) as first, locked_if_free(path) as second:
        assert (first, second) == (True, False)
    assert not path.exists()
    held = []

    def hold():
        for _ in range(50):
            with locked(path):
                held.append(1)
                assert sum(held) == 1
                held.pop()

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held == []
    assert not path.exists()


def test_a_lock_dies_with_its_owner(tmp_path):
    path = tmp_path / "lock"
    script = (
        "import sys, time; from pathlib import Path; from taylorseer_ov.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout.readline() == "held\n"
        with locked_if_free(path) as mine:
            assert not mine
        owner.kill()
        owner.wait()
        with locked_if_free(path) as mine:
            assert mine


# --- ended at any moment ------------------------------------------------------------------------

KILLED_EVERYWHERE = """
import os, signal, sys, tempfile
from pathlib import Path
from taylorseer_ov.batch.folder import BatchFolder, Entry
from taylorseer_ov.files import numbered
import numpy as np

if sys.argv[1] == "no links":
    def link(source, target):
        raise PermissionError(1, "no hard links")
    os.link = link

LINES = [Entry(f"key{k}", k, "a prompt") for k in range(2)]
PNGS = {entry.key: [entry.key.encode() * 9, b"second"] for entry in LINES}

def draw(path):
    folder = BatchFolder(path)
    folder.open(LINES, {"key0", "key1"})
    for entry in LINES:
        with folder.claim(entry.key) as mine:
            assert mine
            if folder.is_done(folder.read()[entry.key]):
                folder.drop(entry.key, ["latents"])
                continue
            if folder.kept(entry.key, "latents") is None:
                folder.keep(entry.key, "latents", {"latents": np.zeros(3)})
            # as drawing again does: other times in the metadata, another size
            pngs = [png + os.urandom(1 + os.getpid() % 7) for png in PNGS[entry.key]]
            from dataclasses import replace
            folder.publish(replace(entry, status="done", seconds=1.0), ["same", "two"], pngs)
            folder.drop(entry.key, ["latents"])

def killed_at(path, moment):
    child = os.fork()
    if not child:
        seen = 0
        def audit(event, arguments):
            nonlocal seen
            if event == "open" or event.startswith("os."):
                seen += 1
                if seen == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(audit)
        draw(path)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

def check(path):
    state = path / ".taylorseer-batch"
    assert not list(state.iterdir()), list(state.iterdir())
    names = sorted(p.name for p in path.glob("*.png"))
    assert names == ["same-2.png", "same.png", "two-2.png", "two.png"], names
    entries = BatchFolder(path).read()
    for entry in LINES:
        first, second = (path / name for name in entries[entry.key].files)
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


def command(folder, prompts, *options):
    """The command of a quick batch, as a process."""
    return [
        *(sys.executable, "-m", "taylorseer_ov.cli", "batch", "demo", prompts, "-o", folder),
        *("--precision", "f32", "--cache", "off", "--json", *options),
    ]


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(line(seed=seed)) + "\n" for seed in range(8)))
    return path


def events(output):
    return [json.loads(row) for row in output.splitlines()]


def drawn_lines(output):
    rows = events(output)
    return [row["line"] for row in rows if row["event"] == "line" and row["status"] == "drawn"]


@pytest.mark.parametrize("option", ["--backend=python", "--low-memory"])
def test_killed_batches_are_finished_by_the_next(option, prompts, tmp_path):
    folder = tmp_path / "out"
    moments = random.Random(option)
    for _ in range(3):
        with subprocess.Popen(
            command(folder, prompts, option), stdout=subprocess.PIPE, text=True
        ) as batch:
            # two events are seen at once, then it ends somewhere in the next
            for _ in range(moments.randint(1, 2)):
                batch.stdout.readline()
            time.sleep(moments.random() * 0.3)
            batch.send_signal(signal.SIGKILL)
        for path in folder.glob("*.png"):
            Recipe.from_picture(path)
            Image.open(path).load()
    before = stamps(folder)
    done = subprocess.run(command(folder, prompts, option), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = stamps(folder)
    assert {name: after[name] for name in before} == before
    assert sorted(after) == [f"a-red-circle-on-black_seed{seed}.png" for seed in range(8)]
    assert len(drawn_lines(done.stdout)) == 8 - len(before)
    assert_clean(folder)


def test_two_processes_share_a_folder(prompts, tmp_path):
    folder = tmp_path / "out"
    both = [
        subprocess.Popen(
            command(folder, prompts, "--backend=python"), stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [batch.communicate()[0] for batch in both]
    assert [batch.returncode for batch in both] == [0, 0]
    assert sorted(drawn_lines(outputs[0]) + drawn_lines(outputs[1])) == list(range(1, 9))
    assert len(pictures(folder)) == 8
    assert_clean(folder)


def test_ctrl_c_stops_after_a_picture_and_says_how_to_go_on(prompts, tmp_path):
    folder = tmp_path / "out"
    words = [word for word in command(folder, prompts, "--backend=python") if word != "--json"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as batch:
        first = batch.stdout.readline()
        batch.send_signal(signal.SIGINT)
        output, error = batch.communicate()
    assert first.startswith("line 1: ")
    assert batch.returncode == 130
    assert "finishing this picture; Ctrl-C again stops at once" in error
    assert "stopped: run the same command again to draw what is left" in output
    drawn = len(pictures(folder))
    assert 1 <= drawn < 8
    assert_clean(folder)


# --- the command -------------------------------------------------------------------------------


def run_main(folder, prompts, *options):
    fixed = ("batch", "demo", str(prompts), "-o", str(folder), "--backend", "python")
    return main([*fixed, "--cache", "off", "--steps", "2", *options])


def test_exit_status_and_summary(tmp_path, capsys):
    prompts = tmp_path / "prompts.jsonl"
    rows = [{"prompt": PROMPT}, {"prompt": PROMPT, "guidance": 1e38}, {"prompt": 3}]
    prompts.write_text("\n".join(map(json.dumps, rows)))
    folder = tmp_path / "out"
    assert run_main(folder, prompts) == 2
    error = capsys.readouterr().err
    assert "error: 1 of 3 lines cannot be drawn, and nothing was drawn; line 3: prompt" in error
    assert list(folder.iterdir()) == []
    assert run_main(folder, prompts, "--skip-bad-lines", "--no-metadata", "--seed", "5") == 1
    told = capsys.readouterr()
    assert "line 1: " in told.out
    assert "1 drawn, 1 failed, 1 bad lines left out" in told.out
    assert "warning: line 2 failed: NotFiniteError" in told.err
    (path,) = folder.glob("*_seed5.png")
    with Image.open(path) as picture:
        assert picture.info == {}
    prompts.write_text(json.dumps(rows[0]))
    assert run_main(folder, prompts, "--seed", "5", "--json") == 0
    assert events(capsys.readouterr().out)[-1] == {
        "event": "summary",
        "stopped": False,
        "drawn": 0,
        "present": 1,
        "failed": 0,
        "bad": 0,
        "busy": 0,
    }


def test_prompts_come_from_stdin(tmp_path):
    folder = tmp_path / "out"
    done = subprocess.run(
        [*command(folder, "-", "--steps", "1")],
        input="a red circle on black\n",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert drawn_lines(done.stdout) == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "3/2"], "'3/2' is not I/N, with I from 1 to N"),
        (["--shard", "x"], "'x' is not I/N"),
    ],
)
def test_a_wrong_shard_shows_the_usage(options, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run_main(tmp_path, "prompts.txt", *options)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_prompts_that_cannot_be_read_are_misuse(tmp_path, capsys):
    assert run_main(tmp_path, tmp_path / "nothing.txt") == 2
    assert "cannot read the prompts in" in capsys.readouterr().err
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    assert run_main(tmp_path, empty) == 2
    assert "there is no prompt in" in capsys.readouterr().err


@settings(max_examples=8, deadline=None)
@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["prompt", "name", "seed", "steps", "width", "cache", "x"]),
            st.none() | st.integers(-1, 99) | st.text(max_size=9) | st.floats(),
            max_size=4,
        ),
        max_size=4,
    )
)
def test_hostile_lines_end_in_one_clear_line_and_touch_nothing_else(rows, tmp_path_factory):
    work = tmp_path_factory.mktemp("hostile")
    prompts = work / "prompts.jsonl"
    prompts.write_text("\n".join([*map(json.dumps, rows), "{so that nothing is drawn"]))
    error = io.StringIO()
    with contextlib.redirect_stderr(error):
        assert run_main(work / "out", prompts) == 2
    *warned, last = error.getvalue().splitlines()
    assert last.startswith("taylorseer-ov: error: ")
    assert all(told.startswith("taylorseer-ov: warning: line ") for told in warned)
    assert sorted(path.name for path in work.rglob("*")) == ["out", "prompts.jsonl"]
