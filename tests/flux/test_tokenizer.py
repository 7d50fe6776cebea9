"""The tokenizers: prompts that are encoded ahead, many at once, have the ids they have alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taylorseer_ov import demo_model_path
from taylorseer_ov.flux import tokenizer as module
from taylorseer_ov.flux.tokenizer import Tokenizer

pytestmark = pytest.mark.once

ALONE = {name: Tokenizer(demo_model_path() / name) for name in ("tokenizer", "tokenizer_2")}
AHEAD = {name: Tokenizer(demo_model_path() / name) for name in ALONE}
WORDS = st.lists(st.sampled_from(["a", "red", "circle", "purple", "large", "3"]), max_size=40)
TEXTS = WORDS.map(" ".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.mark.parametrize("name", ALONE)
@settings(max_examples=60, deadline=None)
@given(prompts=st.lists(TEXTS, max_size=12))
def test_prompts_encoded_at_once_have_the_ids_they_have_alone(name, prompts):
    alone, ahead = ALONE[name], AHEAD[name]
    ahead.encode_ahead(prompts)
    for prompt in prompts:
        assert ahead.encode(prompt) == alone.encode(prompt)
        assert ahead.fits(prompt, 8) == alone.fits(prompt, 8)
        assert ahead.unknown_words(prompt, 8) == alone.unknown_words(prompt, 8)


def test_what_was_encoded_ahead_takes_no_run_and_long_prompts_wait(monkeypatch):
    ahead = AHEAD["tokenizer_2"]
    monkeypatch.setattr(module, "TEXTS_AT_ONCE", 2)
    prompts = ["a red circle", "a purple star", "a large blue square"]
    long = "red " * 600
    expected = [ALONE["tokenizer_2"].encode(prompt) for prompt in (*prompts, long)]
    ahead.encode_ahead([*prompts, long])
    request = ahead._request
    monkeypatch.setattr(ahead, "_request", None)
    assert [ahead.encode(prompt) for prompt in prompts] == expected[:3]
    assert ahead.unknown_words(prompts[1], 20) == ["purple"]
    with pytest.raises(AttributeError):
        ahead.encode(long)
    monkeypatch.setattr(ahead, "_request", request)
    assert ahead.encode(long) == expected[3]
    ahead.encode_ahead([])
    assert ahead.encode(prompts[0]) == expected[0]


@pytest.mark.parametrize("name", ALONE)
def test_what_pads_each_prompt_in_its_own_way_is_not_encoded_ahead(name, monkeypatch):
    """Such as a tokenizer that pads to a length of its own, whose ids end in padding alone."""
    ahead = Tokenizer(demo_model_path() / name)
    encode = ahead.encode
    monkeypatch.setattr(ahead, "encode", lambda prompt: [*encode(prompt), ahead.pad_id])
    ahead.encode_ahead(["a red circle", "a star"])
    monkeypatch.undo()
    assert ahead._ahead == {}
