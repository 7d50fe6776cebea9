"""Tokenizers on the OpenVINO runtime."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import openvino as ov
import openvino_tokenizers  # noqa: F401  (registers its operations with every new Core)
from numpy.typing import NDArray

from ..model_files import read_json

LONGEST_AHEAD, TEXTS_AT_ONCE = 2000, 250  # characters; prompts or words


class Tokenizer:
    """An OpenVINO tokenizer model, which turns a prompt into token ids, special tokens included.

    Several threads may use it.

    Attributes:
        most_characters: those that are read of a prompt, many times what 512 tokens take.
        most_unknown: words without a token that are told.
    """

    most_characters = 50_000
    most_unknown = 10

    def __init__(self, folder: Path) -> None:
        core = ov.Core()
        model = core.read_model(folder / "openvino_tokenizer.xml")
        self._request = core.compile_model(model, "CPU").create_infer_request()
        self._one_thread = threading.RLock()
        pad = model.get_rt_info("pad_token_id") if "pad_token_id" in model.rt_info else None
        self.pad_id = 0 if pad is None else int(pad.value)
        self._latest: tuple[str, tuple[int, ...]] | None = None  # a picture asks several times
        self._unknown_id = _unknown_id(folder / "tokenizer.json")
        self._ahead: dict[str, list[int]] = {}

    def encode_ahead(self, prompts: Iterable[str]) -> None:
        """Encode many prompts at once, where each takes a hundredth of a run of its own.

        `encode` then has their ids until the next call, and those of the words of prompts that have
        unknown ones.
        """
        with self._one_thread:
            self._ahead = {}
            self._run_ahead({prompt for prompt in prompts if len(prompt) <= LONGEST_AHEAD})
            puzzling = [prompt for prompt, ids in self._ahead.items() if self._unknown_id in ids]
            self._run_ahead({word for prompt in puzzling for word in prompt.split()})

    def _run_ahead(self, texts: Iterable[str]) -> None:
        ordered = iter(sorted(texts, key=len))  # as rows of a run are as long as its longest
        while some := list(islice(ordered, TEXTS_AT_ONCE)):
            self._request.infer([np.array(some)])
            padded = self._request.get_tensor("input_ids").data
            lengths = self._request.get_tensor("attention_mask").data.sum(axis=1)
            rows = [ids[:length].tolist() for ids, length in zip(padded, lengths, strict=True)]
            if self.encode(some[0]) == rows[0]:  # not if each is padded to a length of its own
                self._ahead |= dict(zip(some, rows, strict=True))

    def encode(self, prompt: str) -> list[int]:
        """Return the ids of a prompt's first `most_characters`, the end token last."""
        with self._one_thread:
            if prompt in self._ahead:
                return self._ahead[prompt]
            read, latest = prompt[: self.most_characters], self._latest
            if latest is None or latest[0] != read:
                self._request.infer([np.array([read])])
                ids = self._request.get_tensor("input_ids").data[0].tolist()
                self._latest = latest = read, tuple(ids)
            return list(latest[1])

    def row(self, prompt: str, length: int) -> NDArray[np.int64]:
        """Return ids of shape (1, length): padded, or cut so that the end token stays last."""
        ids = self.encode(prompt)
        if len(ids) > length:
            ids = [*ids[: length - 1], ids[-1]]
        row = np.full((1, length), self.pad_id, np.int64)
        row[0, : len(ids)] = ids
        return row

    def fits(self, prompt: str, length: int) -> bool:
        """Whether all of a prompt is read if so many tokens are."""
        return len(prompt) <= self.most_characters and len(self.encode(prompt)) <= length

    def unknown_words(self, prompt: str, length: int) -> list[str]:
        """Return the words of a prompt that the tokenizer has no token for.

        Args:
            length: tokens that are read. No more words are looked at, each once.

        Returns:
            At most `most_unknown` words.
        """
        unknown: list[str] = []
        if self._unknown_id is None or self._unknown_id not in self.encode(prompt)[:length]:
            return unknown
        for word in dict.fromkeys(prompt[: self.most_characters].split()[:length]):
            if self._unknown_id in self.encode(word):
                unknown.append(word)
            if len(unknown) == self.most_unknown:
                break
        return unknown


def _unknown_id(path: Path) -> int | None:
    """The id of the unknown token, which only the tokenizer's original file tells."""
    if not path.is_file():
        return None
    model = read_json(path).get("model")
    # byte-level tokenizers (CLIP) can spell every word, so they have no such id
    unknown = model.get("unk_id") if isinstance(model, dict) else None
    return unknown if isinstance(unknown, int) else None
