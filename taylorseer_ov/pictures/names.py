"""Names of picture files, made of what was asked for, and safe on every system."""

from __future__ import annotations

import unicodedata

LONGEST_NAME = 80  # bytes of a prompt's part of a file name, of 255 that a name may have


def stem_of(prompt: str, seed: int | None) -> str:
    """Return a file name, without suffix, for a picture; a seed of None is the caller's noise."""
    # with either ending it is none of the names that Windows reserves, such as `con`
    return slug(prompt) + ("_own-noise" if seed is None else f"_seed{seed}")


def slug(prompt: str) -> str:
    """Return words of any script joined by `-`: a part of a file name that is safe everywhere.

    Letters, digits and the marks that belong to them are kept, everything else separates words.
    """
    text = unicodedata.normalize("NFC", prompt).lower()
    kept = "".join(letter if unicodedata.category(letter)[0] in "LNM" else " " for letter in text)
    joined = "-".join(kept.split()).encode("utf-8")[:LONGEST_NAME].decode("utf-8", "ignore")
    return joined.strip("-") or "picture"


def numbered_stems(stem: str, count: int) -> list[str]:
    """Return the names of `count` pictures drawn at once."""
    if count == 1:
        return [stem]
    return [f"{stem}_{index + 1}of{count}" for index in range(count)]
