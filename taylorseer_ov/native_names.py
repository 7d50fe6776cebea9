"""Names of openvino_genai that only openvino_genai can do, handed through when they are used.

Importing them needs no openvino_genai and does not import it. Making one gives openvino_genai's own
object; `isinstance`, what a class holds (`AdapterConfig.Mode`) and deriving from one are its too.
Where openvino_genai is missing or too old, each of these is an error that says what helps.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .genai import import_openvino_genai, missing_native_support
from .version import installed_version


class HandedThrough(type):
    """The kind of a class that stands for openvino_genai's of the same name."""

    def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> Any:
        """Make a class; of one that is derived from such a class, one derived from native's."""
        named = [base for base in bases if isinstance(base, cls) and base.__base__ is not object]
        natives = tuple(native(base) if base in named else base for base in bases)
        if natives == bases:
            return super().__new__(cls, name, bases, members)
        return type(natives[0])(name, natives, members)

    def __getattr__(cls, name: str) -> Any:
        """Return what openvino_genai's class holds."""
        if name.startswith("_"):
            raise AttributeError(name)  # tools ask for these, who use nothing
        return getattr(native(cls), name)

    def __instancecheck__(cls, instance: object) -> bool:
        """Whether it is an object of openvino_genai's class."""
        return cls.__subclasscheck__(type(instance))

    def __subclasscheck__(cls, kind: type) -> bool:
        """Whether it is openvino_genai's class or derived from it."""
        # while it is not imported, nothing can be
        theirs = getattr(sys.modules.get("openvino_genai"), cls.__name__, None)
        return kind is cls or (theirs is not None and issubclass(kind, theirs))


REMEDY = "run pip install -U openvino-genai"


def native(kind: type) -> Any:
    """Return the class of openvino_genai that one of this module stands for.

    Raises:
        RuntimeError: if openvino_genai is missing, too old or without it, with what helps.
    """
    name = kind.__name__
    reason = missing_native_support()
    theirs = None if reason else getattr(import_openvino_genai(), name, None)
    if theirs is None:
        reason = reason or f"openvino_genai {installed_version('openvino-genai')} has none"
        raise RuntimeError(f"{name} is a class of openvino_genai: {reason}; {REMEDY}")
    return theirs


class OpenvinoGenaiObject(metaclass=HandedThrough):
    """An object of openvino_genai's class of the same name."""

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        """Return openvino_genai's object."""
        return native(cls)(*arguments, **named)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class Adapter(OpenvinoGenaiObject):
    """A LoRA file: `openvino_genai.Adapter(path)`. For LoRA without it, fuse at the export."""


class AdapterConfig(OpenvinoGenaiObject):
    """LoRA adapters and their strengths: `openvino_genai.AdapterConfig`, the setting `adapters`."""


class Tokenizer(OpenvinoGenaiObject):
    """`openvino_genai.Tokenizer(path)`; the pipelines here have and need their own."""


class CLIPTextModelWithProjection(OpenvinoGenaiObject):
    """A text encoder of Stable Diffusion XL and 3."""


class Qwen3TextEncoder(OpenvinoGenaiObject):
    """The text encoder of FLUX.2 klein."""


class UNet2DConditionModel(OpenvinoGenaiObject):
    """The denoiser of Stable Diffusion, Stable Diffusion XL and latent consistency models."""


class SD3Transformer2DModel(OpenvinoGenaiObject):
    """The transformer of Stable Diffusion 3."""


class Flux2Transformer2DModel(OpenvinoGenaiObject):
    """The transformer of FLUX.2 klein."""


class QwenImageTransformer2DModel(OpenvinoGenaiObject):
    """The transformer of Qwen-Image."""


class ZImageTransformer2DModel(OpenvinoGenaiObject):
    """The transformer of Z-Image."""


class Qwen2_5_VLForConditionalGeneration(OpenvinoGenaiObject):  # noqa: N801
    """The text encoder of Qwen-Image."""
