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
    if not tokenizer.fits(prompt, max_sequence_length):
        length = len(tokenizer.encode(prompt))
        has = f"{length} tokens"
        if len(prompt) > tokenizer.most_characters:
            has = f"{len(prompt)} characters, over {tokenizer.most_characters},"
        warn(
            f"the prompt has {has} and is cut to max_sequence_length={max_sequence_length}",
            PromptWarning,
        )
    unknown = tokenizer.unknown_words(prompt, max_sequence_length)
    if unknown:
        others = ", and maybe others" if len(unknown) == tokenizer.most_unknown else ""
        warn(
            "this model's text encoder does not know "
            + ", ".join(f"{word!r:.60}" for word in unknown)
            + others,
            PromptWarning,
        )
