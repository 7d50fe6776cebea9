"""What a model cannot read of a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..warning import warn

if TYPE_CHECKING:
    from ..flux.tokenizer import Tokenizer


class PromptWarning(UserWarning):
    """A prompt that the model does not read as it was written."""


def warn_about_prompt(prompt: str, tokenizer: Tokenizer, max_sequence_length: int) -> None:
    """Warn of tokens that are cut, and of words the tokenizer has no token for.

    Args:
        tokenizer: T5's.
        max_sequence_length: tokens that are read.
    """
    length = len(tokenizer.encode(prompt))
    if length > max_sequence_length:
        warn(
            f"the prompt has {length} tokens and is cut to max_sequence_length="
            f"{max_sequence_length}",
            PromptWarning,
        )
    unknown = tokenizer.unknown_words(prompt)
    if unknown:
        warn(
            "this model's text encoder does not know " + ", ".join(map(repr, unknown)),
            PromptWarning,
        )
