"""Broken and hostile model folders: one clear line, never a traceback, nothing outside touched."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taylorseer_ov import ModelFolderError, Text2ImagePipeline, demo_model_path
from taylorseer_ov.cli import main
from taylorseer_ov.doctor.diagnosis import diagnose
from taylorseer_ov.doctor.machine import Device, Machine
from taylorseer_ov.flux.folder import FluxFolder
from tests.common import F32, PROMPT

FILES = sorted(
    str(path.relative_to(demo_model_path()))
    for path in demo_model_path().rglob("*.*")
    if path.is_file()
)
JSON_FILES = [name for name in FILES if name.endswith(".json")]
MACHINE = Machine(
    "3.11.7",
    {"openvino": "2026.4.1", "openvino-tokenizers": "2026.4.1.0", "openvino-genai": "2026.4.1.0"},
    (Device("CPU", "a CPU", (), "f32"),),
    free_disk=lambda path: 10**12,
)

# numbers too large for a float, brackets nested too deeply, and more that parsers stumble over
odd_texts = st.sampled_from(
    ["", "{", "[" * 100_000, "9" * 5000, "\ud800", '{"a": NaN}', "null", "\x00", '{"a": 1}{}']
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, -1, 10**400, 1e308, float("inf"), float("nan"), 4, 16, 77]),
    st.text(max_size=8),
    st.sampled_from(["../../secret", "/etc/passwd", "C:\\secret", "high", "exponential"]),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("remove"), st.sampled_from(FILES)),
        st.tuples(st.just("truncate"), st.sampled_from(FILES), st.floats(0, 0.999)),
        st.tuples(st.just("swap"), st.sampled_from(FILES), st.sampled_from(FILES)),
        st.tuples(st.just("folder"), st.sampled_from(FILES)),
        st.tuples(st.just("loop"), st.sampled_from(FILES)),
        st.tuples(st.just("text"), st.sampled_from(JSON_FILES), odd_texts),
        st.tuples(st.just("replace"), st.sampled_from(JSON_FILES), values),
        st.tuples(st.just("edit"), st.sampled_from(JSON_FILES), st.integers(0, 40), values),
    ),
    min_size=1,
    max_size=3,
)


@contextlib.contextmanager
def broken_model(changes_made):
    """A copy of the demo model with these changes, in which untouched files are links."""
    with tempfile.TemporaryDirectory() as parent:
        model = Path(parent) / "model"
        shutil.copytree(demo_model_path(), model, copy_function=os.symlink)
        for kind, name, *details in changes_made:
            apply(model, kind, model / name, *details)
        yield model


def apply(model, kind, path, *details):
    if not path.is_file():  # an earlier change has taken it away
        return
    content = path.read_bytes()
    if kind == "swap":
        other = model / details[0]
        if other.is_file() and other != path:
            aside = path.with_name("aside")
            path.rename(aside)
            other.rename(path)
            aside.rename(other)
        return
    path.unlink()
    if kind == "truncate":
        path.write_bytes(content[: int(len(content) * details[0])])
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "text":
        path.write_bytes(details[0].encode("utf-8", "surrogatepass"))
    elif kind == "replace":
        path.write_text(json.dumps(details[0]))
    elif kind == "edit":
        number, value = details
        with contextlib.suppress(ValueError, RecursionError):
            changed = json.loads(content)
            if isinstance(changed, dict) and changed:
                changed[sorted(changed)[number % len(changed)]] = value
                content = json.dumps(changed).encode()
        path.write_bytes(content)


# --- properties ----------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None, derandomize=True)
@given(changes)
def test_a_broken_folder_is_read_or_refused_and_the_doctor_tells_why(changes_made):
    with broken_model(changes_made) as model:
        try:
            FluxFolder.read(model)
            refusal = None
        except ModelFolderError as error:
            refusal = str(error)
        diagnosis = diagnose(model, machine=MACHINE)
    assert not [found for found in diagnosis.findings if "examination failed" in found.text]
    if refusal is not None:
        assert diagnosis.problems
        told = " ".join(f"{found.text} {found.remedy}" for found in diagnosis.problems)
        assert refusal.split("; ")[0].split(", ")[0].split()[0] in told


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(changes)
def test_the_command_line_says_what_is_wrong_in_one_line(changes_made):
    with broken_model(changes_made) as model, tempfile.TemporaryDirectory() as work:
        for command in (
            ["doctor", str(model)],
            ["generate", str(model), PROMPT, "--steps", "1", "--cache", "off", "-o", work],
        ):
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = main(command)
            lines = err.getvalue().splitlines()
            said = [line for line in lines if line.startswith("taylorseer-ov: error: ")]
            assert "Traceback" not in err.getvalue()
            if command[0] == "generate":
                assert len(said) == (status != 0)
                assert (status == 0) == bool(os.listdir(work))
            else:
                assert status in (0, 1)
                assert not said
        assert {path.name for path in model.parent.iterdir()} == {"model"}


# --- a model folder is data ----------------------------------------------------------------------


def everything(value):
    """JSON files of the demo model in which every text is this value."""

    def changed(item):
        if isinstance(item, dict):
            return {name: changed(inner) for name, inner in item.items()}
        if isinstance(item, list):
            return [changed(inner) for inner in item]
        return value if isinstance(item, str) else item

    return changed


@pytest.mark.parametrize("value", ["../../secret", "/etc/passwd"])
def test_no_text_in_a_model_s_json_is_ever_a_path(model_copy, value):
    for name in JSON_FILES:
        path = model_copy / name
        values = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(everything(value)(values)))
    code = (
        "import pathlib, sys\n"
        "from taylorseer_ov.doctor.model_check import check_folder\n"
        "from tests.flux.test_hostile_folders import MACHINE\n"
        "opened = []\n"
        "sys.addaudithook(lambda name, what: name == 'open' and opened.append(str(what[0])))\n"
        "list(check_folder(pathlib.Path(sys.argv[1]), MACHINE, fix=True))\n"
        "print(*sorted(set(opened)), sep='\\n')"
    )
    command = [sys.executable, "-c", code, str(model_copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    opened = [Path(line) for line in done.stdout.splitlines()]
    assert model_copy / "model_index.json" in opened
    outside = [path for path in opened if model_copy not in path.resolve().parents]
    assert not [path for path in outside if path.suffix not in (".py", ".pyc")]


def test_a_model_cannot_name_a_cache_plan_outside_its_folder(model_copy, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text("a password")
    defaults = model_copy / "generation_config.json"
    for setting in ("cache", "taylorseer_config"):
        for path in (str(secret), "../secret.json"):
            defaults.write_text(json.dumps({setting: path}))
            with pytest.raises(
                ModelFolderError, match="cache must be one of high, balanced, fast"
            ) as said:
                Text2ImagePipeline(model_copy)
            assert "password" not in str(said.value)
    defaults.write_text('{"cache": "fast"}')
    assert Text2ImagePipeline(model_copy).get_generation_config().cache == "fast"


def test_the_weights_are_those_beside_the_description_whatever_it_says(model_copy, pipeline):
    expected = pipeline.generate(PROMPT, num_inference_steps=1).data
    for xml in model_copy.rglob("*.xml"):
        text = xml.read_text().replace(
            "<rt_info>", '<rt_info><__weights_path value="/nowhere/secret.bin" />', 1
        )
        text = text.replace("<net ", '<net weights="/nowhere/secret.bin" bin="../secret.bin" ', 1)
        xml.write_text(text)
    drawn = Text2ImagePipeline(model_copy, backend="python", **F32).generate(
        PROMPT, num_inference_steps=1
    )
    assert (drawn.data == expected).all()


def test_a_folder_of_links_as_in_a_download_cache_is_a_model(tmp_path):
    model = tmp_path / "snapshot"
    shutil.copytree(demo_model_path(), model, copy_function=os.symlink)
    assert FluxFolder.read(model).fingerprint() == FluxFolder.read(demo_model_path()).fingerprint()


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "\udcff", "../" * 50 + "nowhere"])
def test_hostile_names_of_folders(name, capsys):
    assert main(["doctor", name]) in (1, 2)
    assert main(["generate", name, PROMPT]) in (1, 2)
    lines = capsys.readouterr().err.splitlines()
    assert [line[:22] for line in lines] == ["taylorseer-ov: error: "] * 2
