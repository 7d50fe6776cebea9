"""Encoded prompts on disk: found again, bounded, and never trusted when damaged."""

import multiprocessing
import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.flux.embedding_cache import EmbeddingCache, content_key, default_folder
from taylorseer_ov.generation.setup import memory_options
from tests.common import F32, PROMPT

KEY = content_key(b"a prompt")
SHORT = {"num_inference_steps": 1}


def arrays(seed=0, size=64):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal((1, size), np.float32) for name in ("text", "pooled")}


def same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


def entries(folder):
    return sorted(folder.glob("*.embedding"))


def test_what_was_put_is_got_bit_for_bit(tmp_path):
    cache = EmbeddingCache(tmp_path / "made" / "on the way")
    assert cache.get(KEY) is None
    cache.put(KEY, **arrays())
    assert same(cache.get(KEY), arrays())
    assert same(EmbeddingCache(tmp_path / "made" / "on the way").get(KEY), arrays())
    cache.put(KEY, **arrays(1))
    assert same(cache.get(KEY), arrays(1))


def test_keys_keep_parts_apart():
    assert content_key(b"ab", b"c") != content_key(b"a", b"bc") != content_key(b"abc")
    assert content_key(b"ab", b"c") == content_key(b"ab", b"c")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_damaged_entries_are_missed_and_replaced(tmp_path, data):
    cache = EmbeddingCache(tmp_path)
    cache.put(KEY, **arrays())
    (path,) = entries(tmp_path)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    path.write_bytes(content)
    assert cache.get(KEY) is None
    cache.put(KEY, **arrays())
    assert same(cache.get(KEY), arrays())


def test_the_least_recently_used_go_first_and_files_of_others_stay(tmp_path):
    keys = [content_key(bytes([k])) for k in range(4)]
    generous = EmbeddingCache(tmp_path)
    for age, key in enumerate(keys[:3]):
        generous.put(key, **arrays(age))
        os.utime(tmp_path / f"{key}.embedding", (1000 + age, 1000 + age))
    size = entries(tmp_path)[0].stat().st_size
    (tmp_path / "mine.npz").write_bytes(bytes(10 * size))
    cache = EmbeddingCache(tmp_path, limit_bytes=2 * size)
    assert cache.get(keys[0]) is not None  # used now: the second is the oldest
    cache.put(keys[3], **arrays(3))
    assert [cache.get(key) is not None for key in keys] == [True, False, False, True]
    assert (tmp_path / "mine.npz").stat().st_size == 10 * size


def test_what_killed_processes_left_is_removed_but_not_what_others_write(tmp_path):
    old, new = (tmp_path / f"{KEY}{name}.embedding-partial" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    EmbeddingCache(tmp_path).put(KEY, **arrays())
    assert not old.exists()
    assert new.exists()


def use_often(folder, limit_bytes, seed):
    """Put and get entries of eight keys; an entry that is got must be the one of its key."""
    cache = EmbeddingCache(folder, limit_bytes)
    order = np.random.default_rng(seed).integers(0, 8, 150)
    for number in order.tolist():
        found = cache.get(content_key(bytes([number])))
        if found is None:
            cache.put(content_key(bytes([number])), **arrays(number))
        else:
            assert same(found, arrays(number))


def test_two_processes_may_share_a_folder_that_is_too_small(tmp_path):
    EmbeddingCache(tmp_path).put(KEY, **arrays())
    limit = 3 * entries(tmp_path)[0].stat().st_size
    context = multiprocessing.get_context("spawn")
    users = [context.Process(target=use_often, args=(tmp_path, limit, seed)) for seed in (1, 2)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert [user.exitcode for user in users] == [0, 0]
    use_often(tmp_path, limit, 3)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= limit


def test_a_folder_that_cannot_be_is_refused_and_one_that_goes_costs_a_warning(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"embedding_cache: cannot write into .*file"):
        EmbeddingCache(tmp_path / "file")
    cache = EmbeddingCache(tmp_path / "folder")
    shutil.rmtree(tmp_path / "folder")
    with pytest.warns(RuntimeWarning, match=r"could not be kept in .*folder"):
        cache.put(KEY, **arrays())
    assert cache.get(KEY) is None


def test_true_is_the_system_s_folder(monkeypatch, tmp_path):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert tmp_path in default_folder().parents
    assert memory_options(False, False, True).embedding_cache == default_folder()
    assert memory_options(False, False, False).embedding_cache is None
    assert memory_options(False, False, tmp_path).embedding_cache == tmp_path


# --- in the pipeline ---


def drawn_with(folder, model=None, low_memory=False, prompt=PROMPT, **options):
    """A picture drawn in a pipeline of its own, and the models that were loaded for it."""
    pipeline = Text2ImagePipeline(
        model or demo_model_path(), low_memory=low_memory, embedding_cache=folder, **F32
    )
    result = pipeline.generate(prompt, **SHORT, **options)
    return result, set(pipeline._backends.load_python().models.parts)


def test_a_repeated_prompt_loads_no_text_encoder(pipeline, tmp_path):
    everything = {"text_encoder", "text_encoder_2", "transformer", "vae_decoder"}
    expected = pipeline.generate(PROMPT, **SHORT).data
    first, loaded = drawn_with(tmp_path)
    assert first.report.backend_reason == "openvino_genai encodes every prompt anew"
    assert loaded == everything
    again, loaded = drawn_with(tmp_path)
    assert loaded == {"transformer", "vae_decoder"}
    assert np.array_equal(first.data, expected)
    assert np.array_equal(again.data, expected)
    assert len(entries(tmp_path)) == 2  # one of each encoder


def test_one_model_at_a_time_encodes_to_the_same_entry(tmp_path):
    drawn_with(tmp_path)
    again, loaded = drawn_with(tmp_path, low_memory=True)
    assert loaded == {"vae_decoder"}
    assert len(entries(tmp_path)) == 2
    anew, _ = drawn_with(None, low_memory=True)
    assert np.array_equal(again.data, anew.data)


def test_other_prompts_lengths_and_encoders_are_other_entries(model_copy, tmp_path):
    folder = tmp_path / "cache"
    drawn_with(folder)
    drawn_with(folder, model=model_copy)  # the same files elsewhere
    assert len(entries(folder)) == 2
    drawn_with(folder, prompt="a small white star on a black background")
    drawn_with(folder, max_sequence_length=16)
    assert len(entries(folder)) == 5  # the length is nothing to CLIP
    weights = model_copy / "text_encoder_2" / "openvino_model.bin"
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(content)
    drawn_with(folder, model=model_copy)
    assert len(entries(folder)) == 7
