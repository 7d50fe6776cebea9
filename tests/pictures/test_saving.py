"""Names of pictures, and how they are saved: nothing is overwritten."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taylorseer_ov import Recipe
from taylorseer_ov.pictures.names import stem_of

# few steps, for which the demo model has no calibrated plans
pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore::taylorseer_ov.caching.presets.CalibrationWarning"),
]


WINDOWS = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.I)


@settings(max_examples=300, deadline=None)
@given(prompt=st.text(), seed=st.none() | st.integers(0, 2**32 - 1))
def test_names_are_safe_for_any_prompt(prompt, seed):
    name = stem_of(prompt, seed) + "_12of34-999.png"
    assert Path(name).name == name
    assert len(name.encode()) < 200
    assert name[0] not in ".-_ "
    assert name.isprintable() or prompt  # combining marks and the like only from the prompt
    assert not re.search(r'[\\/:*?"<>|\x00-\x1f]', name)
    assert not WINDOWS.match(name)
    assert not WINDOWS.match(stem_of(prompt, seed))


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A red circle!", "a-red-circle_seed42"),
        ("../../etc/passwd\0", "etc-passwd_seed42"),
        ("CON", "con_seed42"),
        ("", "picture_seed42"),
        ("一只猫", "一只猫_seed42"),
        ("हिन्दी", "हिन्दी_seed42"),
        ("x" * 500, "x" * 80 + "_seed42"),
    ],
)
def test_names_of_prompts(prompt, name):
    assert stem_of(prompt, 42) == name


def test_nothing_is_overwritten(drawn, tmp_path):
    first, second = drawn.save(tmp_path)[0], drawn.save(tmp_path)[0]
    assert second.name == first.stem + "-2.png"
    mine = tmp_path / "mine.PNG"
    mine.write_text("mine")
    (third,) = drawn.save(mine)
    assert (mine.read_text(), third.name) == ("mine", "mine-2.PNG")
    (tmp_path / "mine-3.PNG").symlink_to(tmp_path / "nowhere")
    assert drawn.save(mine)[0].name == "mine-4.PNG"
    (deep,) = drawn.save(tmp_path / "a" / "b")
    assert deep.parent == tmp_path / "a" / "b"
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_overwritten_without_hard_links(drawn, tmp_path, monkeypatch):
    def link(source, target):
        raise PermissionError(1, "no hard links here")

    monkeypatch.setattr("os.link", link)
    (first,) = drawn.save(tmp_path)
    assert Recipe.from_picture(first) == drawn.recipe
    (tmp_path / "taken.png").write_text("mine")
    # the name is taken between the look and the writing
    monkeypatch.setattr("os.path.lexists", lambda path: False)
    (second,) = drawn.save(tmp_path / "taken.png")
    assert second.name == "taken-2.png"
    assert (tmp_path / "taken.png").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        first.name,
        "taken-2.png",
        "taken.png",
    ]


@pytest.mark.posix
def test_a_file_that_cannot_be_read_is_named():
    if sys.platform == "linux":  # where reading the beginning of a process is an error
        with pytest.raises(OSError, match="error: '/proc/self/mem'"):
            Recipe.from_picture("/proc/self/mem")
