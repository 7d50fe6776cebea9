"""What a model cannot read of a prompt, and what it was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..warning import warn

if TYPE_CHECKING:
    from ..flux.tokenizer import Tokenizer
    from ..flux.trained_on import TrainedOn


class PromptWarning(UserWarning):
    """A prompt that the model does not read as it was written."""


class UntrainedWarning(UserWarning):
    """A prompt or a size that the model was not trained on, so that anything may be drawn."""


def warn_of_the_untrained(prompt: str, size: tuple[int, int], trained_on: TrainedOn | None) -> None:
    """Warn of what a model says that it was not trained on.

    Args:
        size: height and width in pixels.
    """
    if trained_on is None:
        return
    if not trained_on.has_size(*size):
        least, most = trained_on.sides
        warn(
            f"this model was trained on pictures with sides of {least} to {most} pixels; one of "
            f"{size[1]}x{size[0]} may show anything",
            UntrainedWarning,
        )
    if not trained_on.has_prompt(prompt):
        warn(
            f"this model was trained on prompts like {trained_on.describe_prompts()}; for others "
            "it may draw anything",
            UntrainedWarning,
        )


def warn_of_the_unread(prompt: str, tokenizer: Tokenizer, max_sequence_length: int) -> None:
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
