"""The fuzz run: cases come from their numbers, and what is wrong with an end is found."""

import random
import sys

import pytest

from scripts.fuzz import hostile
from scripts.fuzz.__main__ import main
from scripts.fuzz.cases import KINDS, Case, make_case, prepare
from scripts.fuzz.watching import run_case

pytestmark = [pytest.mark.once, pytest.mark.posix]
BROKEN = {
    "os._exit(9)": "ended with status 9",
    "os.kill(os.getpid(), 9)": "ended with signal 9",
    "raise KeyError('x')": "a traceback",
    "time.sleep(60)": "took more than 2 s",
    "print('\\x1b[2J')": "characters that steer a terminal",
    "sys.exit(2)": "misuse with 0 lines that say so",
    "open('../elsewhere', 'w')": "elsewhere",
    "open('../given/good.png', 'ab').write(b'x')": "what was given has changed",
    "open('left.part', 'w')": "left ['left.part']",
    "print('taylorseer-ov: error: list index out of range', file=sys.stderr); sys.exit(2)": (
        "words of Python"
    ),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "good"
    prepare(folder)
    return folder


def test_a_few_of_every_kind_end_well(capsys):
    if sys.platform == "linux":
        assert main(["--count", str(2 * len(KINDS)), "--jobs", "1"]) == 0
        assert f"0 of {2 * len(KINDS)} cases with something found" in capsys.readouterr().out


def test_a_case_is_made_from_its_number(good, tmp_path):
    for number in range(3 * len(KINDS)):
        first, second = (make_case(number, good, tmp_path / f"{number}{k}") for k in "ab")
        assert first.words == second.words
        files = [
            [
                (path.name, path.read_bytes() if path.is_file() and not path.is_symlink() else None)
                for path in sorted(case.folder.rglob("*"))
            ]
            for case in (first, second)
        ]
        assert files[0] == files[1]


def test_damage_changes_what_it_is_given():
    data = bytes(range(256)) * 20
    changed = [hostile.damaged(random.Random(seed), data) for seed in range(100)]
    assert sum(damaged != data for damaged in changed) > 90
    document = {"a": [1, {"b": "text"}], "c": None}
    changed = [hostile.edited(random.Random(seed), document) for seed in range(100)]
    assert sum(edited != document for edited in changed) > 80
    assert document == {"a": [1, {"b": "text"}], "c": None}


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_wrong_with_an_end_is_found(code, good, tmp_path, monkeypatch):
    def broken(words):
        import os  # noqa: F401
        import time  # noqa: F401

        exec(code)
        return 0

    if sys.platform == "linux":
        monkeypatch.setattr("scripts.fuzz.watching.main", broken)
        made = make_case(4, good, tmp_path / "case")
        case = Case(4, "picture", made.folder, ["generate"])
        end = run_case(case, limit_s=2 if "sleep" in code else 60)
        assert any(BROKEN[code] in found for found in end.found), end
