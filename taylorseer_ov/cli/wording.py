"""Say what the library says of its arguments by the options that were typed.

`main` does so with every error and warning of the library, and what shows reports and findings of
it. What the command line says itself names options to begin with. What is said of a file, or of a
line of one, keeps the names that stand there.
"""

from __future__ import annotations

import re

# by the name that an argument or a field has in Python
OPTIONS = {
    "num_inference_steps": "--steps",
    "transformer_runs": "--runs",
    "first_seed": "--seed",
    "rng_seed": "--seed",
    "width": "--width",
    "height": "--height",
    "guidance_scale": "--guidance",
    "strength": "--strength",
    "max_sequence_length": "--max-sequence-length",
    "cache": "--cache",
    "cache_interval": "--cache-interval",
    "disable_cache_before_step": "--disable-cache-before-step",
    "disable_cache_after_step": "--disable-cache-after-step",
    "max_order": "--max-order",
    "tolerance": "--tolerance",
    "limit": "--limit",
    "backend": "--backend",
    "embedding_cache": "--embedding-cache",
    "low_memory": "--low-memory",
    "streams": "--streams",
}
PHRASES = {
    "cache=None": "--cache off",
    "low_memory=True": "--low-memory",
    "vae_tiling=True": "--vae-tiling",
    "overwrite=True": "--overwrite",
    "INFERENCE_PRECISION_HINT='f32'": "--precision f32",
    "use InpaintingPipeline": "give --image and --mask",
    ": call reshape(num_images_per_prompt, height, width, guidance_scale) first": (
        ", which the library has by reshape and the command line has not; choose another --device"
    ),
}
# neither inside a longer name or a path, nor quoted, which is what somebody typed
_ARGUMENT = re.compile(
    rf"(?<![\w'\"./\\-])(?P<name>{'|'.join(OPTIONS)})\b(?!\.?[\w'\"/\\])"
    r"(?:=(?P<value>'[^']*'|[-+]?\w+(?:\.\w+)*))?"
)
_OBJECT = re.compile(r"(\b[A-Z]\w+\([^()]*\))")  # such as TaylorSeerCacheConfig(max_order=1)
_OF_A_LINE = re.compile(r"line \d")


def in_options(sentence: str) -> str:
    """Return a sentence with options in place of Python's names, and of `name=value`."""
    if _OF_A_LINE.match(sentence):
        return sentence
    for phrase, option in PHRASES.items():
        sentence = sentence.replace(phrase, option)
    pieces = _OBJECT.split(sentence)
    pieces[::2] = [_ARGUMENT.sub(_option, piece) for piece in pieces[::2]]
    return "".join(pieces)


def _option(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    if value is not None:
        is_word = re.fullmatch(r"'[^' ]+'", value)
        return f"{OPTIONS[name]} {value[1:-1] if is_word else value}"
    # others are words that a sentence may have for what they say
    is_name = "_" in name or found.string.startswith(" must", found.end())
    return OPTIONS[name] if is_name else name
