"""The table of openvino_genai's names: the script that compares the modules finds what is wrong."""

from types import ModuleType
from typing import NoReturn

import pytest

from scripts import names

TEXT = """Words before the first heading are for people.

# Things
Kept | same |
Kept.draw | better | in colour
Handed | own |

# Not of image generation
text: Chat Talk
"""


class NativeKept:
    def __init__(self):
        """__init__(self: Kept, path: str, device: str = 'CPU') -> None"""

    def draw(self):
        """draw(*args, **kwargs)
        Overloaded function.

1. draw(self: Kept, size: int) -> Picture

2. draw(self: Kept, size: int, colour: str = 'red') -> Picture
"""  # fmt: skip


class OurKept:
    def __init__(self, path, device="CPU"):
        pass

    def draw(self, size, colour="red"):
        pass


class Handed:
    member = 1


def module(**members):
    made = ModuleType("made")
    vars(made).update(members)
    return made


def found(text=TEXT, theirs=None, ours=None):
    """What is wrong, of two modules that differ from those of the table as it is told."""
    native = module(Kept=NativeKept, Handed=Handed, Chat=1, Talk=2, _private=3)
    mine = module(Kept=OurKept, Handed=Handed)
    for changed, made in ((theirs, native), (ours, mine)):
        vars(made).update(changed or {})
    return names.problems(*names.read_verdicts(text), native, mine)


@pytest.mark.native
def test_the_table_is_true_and_the_page_is_what_it_says(capsys):
    assert names.main(["--check"]) == 0, capsys.readouterr().err


def test_a_true_table():
    assert found() == []


def test_a_name_without_a_verdict():
    assert found(theirs={"New": 1}) == ["New is in openvino_genai and has no verdict"]
    assert found(TEXT.replace("Kept.draw | better | in colour\n", "")) == [
        "Kept.draw is in openvino_genai and has no verdict"
    ]
    assert found(TEXT.replace("Chat ", "")) == ["Chat is in openvino_genai and has no verdict"]


def test_a_verdict_on_what_is_not_there():
    text = TEXT.replace("Handed |", "Kept.gone | not |\nHanded |").replace("Talk", "Talk Sing")
    assert found(text) == ["Kept.gone is not in openvino_genai", "Sing is not in openvino_genai"]


def test_a_name_that_is_missing_here():
    class Empty:
        def __init__(self, path, device):
            pass

    assert found(ours={"Kept": Empty}) == ["Kept.draw is not here, but said to be 'better'"]


def test_other_parameters():
    class Renamed(OurKept):
        def __init__(self, path, where):
            pass

        def draw(self, size):
            pass

    assert found(ours={"Kept": Renamed}) == [
        "Kept does not take device",
        "Kept.draw does not take colour",
    ]


def test_a_name_that_is_here_after_all_unless_it_refuses():
    text = TEXT.replace("better", "not")
    assert found(text) == ["Kept.draw is here, but said not to be"]

    class Refusing(OurKept):
        def draw(self) -> NoReturn:
            raise NotImplementedError

    assert found(text, ours={"Kept": Refusing}) == []


def test_two_verdicts_on_one_name():
    assert found(TEXT + "\n# More\nKept | own |\n")[0] == "Kept has 2 verdicts"


@pytest.mark.parametrize("line", ["Kept | good |", "Kept same", "Kept | same"])
def test_a_line_that_is_none(line):
    with pytest.raises(ValueError, match=r"not NAME . same or better or own or not . words: 'Kept"):
        names.read_verdicts(f"# Things\n{line}\n")


def test_one_line_for_three_pipelines():
    verdicts, _ = names.read_verdicts("# Pipelines\n*Pipeline.draw | same | quickly\n")
    assert verdicts[0].names() == [
        "Text2ImagePipeline.draw",
        "Image2ImagePipeline.draw",
        "InpaintingPipeline.draw",
    ]
    text = names.page(verdicts, [], "1.2.3")
    assert "| `draw` of all three | same | quickly |" in text
    assert "- **same** (3)" in text
