"""What a small model was trained on, where its folder says so: of other things it knows nothing.

An optional `trained_on.json` beside `model_index.json`:

    {
      "sides": [112, 144],
      "phrases": {"COLOR": ["red", "blue"], "SHAPE": ["circle", "square"]},
      "sentences": ["a COLOR SHAPE on a COLOR background", "a COLOR SHAPE on COLOR"]
    }

`sides` are the least and the most pixels of a picture's sides. A prompt is of the kind that the
model was trained on if it is one of the `sentences`, with one of the `phrases` for each of their
names; case and punctuation do not count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..checks import exact_names, of_kind, whole_number
from ..model_files import ModelFolderError, read_json

FILE = "trained_on.json"
MOST_BYTES = 4096
MOST_WORDS = 50  # of a prompt that could be one of the sentences

Slot = tuple[frozenset[tuple[str, ...]], int]
"""The phrases that may stand in one place of a sentence, and how many words they have at most."""


@dataclass(frozen=True)
class TrainedOn:
    """The sizes and the prompts that a model was trained on.

    Attributes:
        sides: the least and the most pixels of a picture's sides.
        phrases: what may stand for a name in the sentences.
        sentences: prompts, with such names.

    Raises:
        TypeError, ValueError: if one of them is something else.
    """

    sides: tuple[int, int]
    phrases: Mapping[str, Sequence[str]]
    sentences: Sequence[str]

    def __post_init__(self) -> None:
        of_kind("sides", self.sides, tuple)
        least_and_most = [whole_number("sides", side, 1) for side in self.sides]
        if len(least_and_most) != 2 or least_and_most != sorted(least_and_most):
            raise ValueError(f"sides must be the least and the most pixels, got {self.sides!r:.80}")
        of_kind("phrases", self.phrases, dict)
        for name, listed in {**self.phrases, "sentences": self.sentences}.items():
            of_kind(name, listed, list)
            for one in listed:
                of_kind(name, one, str)

    @classmethod
    def read(cls, folder: Path) -> TrainedOn | None:
        """Read the file in a model's folder, None if there is none.

        Raises:
            ModelFolderError: if it is something else.
        """
        path = folder / FILE
        if not path.exists():
            return None
        values = read_json(path)
        try:
            if path.stat().st_size > MOST_BYTES:
                raise ValueError(f"more than {MOST_BYTES} bytes")
            exact_names("names", values, ("sides", "phrases", "sentences"))
            of_kind("sides", values["sides"], list)
            return cls(**values | {"sides": tuple(values["sides"])})
        except (TypeError, ValueError) as error:
            raise ModelFolderError(f"{path}: {error}; mend or remove it") from error

    def has_size(self, height: int, width: int) -> bool:
        """Whether pictures of such a size were among the model's."""
        least, most = self.sides
        return least <= height <= most and least <= width <= most

    def has_prompt(self, prompt: str) -> bool:
        """Whether a prompt is one of the sentences."""
        words = tuple(re.findall(r"\w+", prompt[: 100 * MOST_WORDS].lower()))
        return len(words) <= MOST_WORDS and any(_is(words, slots) for slots in self._slots)

    @cached_property
    def _slots(self) -> list[list[Slot]]:
        """Each sentence's."""
        return [
            [_slot(self.phrases.get(word, [word])) for word in text.split()]
            for text in self.sentences
        ]

    def describe_prompts(self) -> str:
        """Say which prompts those are."""
        sentences = ", ".join(repr(sentence) for sentence in self.sentences)
        named = "; ".join(f"{name}: {', '.join(said)}" for name, said in self.phrases.items())
        return f"{sentences} ({named})"


def _slot(phrases: Sequence[str]) -> Slot:
    split = frozenset(tuple(phrase.lower().split()) for phrase in phrases)
    return split, max(map(len, split), default=0)


def _is(words: tuple[str, ...], slots: list[Slot]) -> bool:
    """Follow a sentence from slot to slot, to every place where the next one may begin."""
    places = {0}
    for phrases, longest in slots:
        places = {
            end
            for place in places
            for end in range(place + 1, min(place + longest, len(words)) + 1)
            if words[place:end] in phrases
        }
        if not places:
            return False
    return len(words) in places
