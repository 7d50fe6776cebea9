"""Models loaded two at a time: where, in which order, and what becomes of errors."""

import locale
import threading
import time
from functools import partial

import openvino as ov
import pytest

from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.pipelines import side_by_side as loading
from taylorseer_ov.pipelines.side_by_side import one_by_one, side_by_side, way_of_loading

FOLDER = FluxFolder.read(demo_model_path())


def test_others_are_done_beside_the_longest_one_after_the_other():
    here, beside = [], []
    began = threading.Event()

    def longest():
        assert began.wait(10)  # the others do not wait for this one
        here.append(threading.current_thread())
        return "longest"

    def other():
        began.set()
        beside.append(threading.current_thread())
        return len(beside)

    assert side_by_side(longest, other, other) == ["longest", 1, 2]
    assert here == [threading.main_thread()]
    assert threading.main_thread() not in beside
    assert one_by_one(longest, other) == ["longest", 3]


def test_an_error_is_raised_when_nothing_is_under_way_any_more():
    began, done = threading.Event(), []

    def slow():
        began.set()
        time.sleep(0.05)
        done.append(True)

    def fails():
        assert began.wait(10)
        raise RuntimeError("no kernel")

    with pytest.raises(RuntimeError, match="no kernel"):
        side_by_side(fails, slow)
    assert done == [True]
    with pytest.raises(RuntimeError, match="no kernel"):
        side_by_side(slow, fails)
    assert done == [True, True]


def test_weights_that_fill_the_memory_are_loaded_one_by_one(monkeypatch):
    parts = ("text_encoder", "text_encoder_2", "transformer", "vae_decoder")
    weights = sum((FOLDER.part(part) / "openvino_model.bin").stat().st_size for part in parts)
    monkeypatch.setattr(loading, "usable_processors", lambda: 2)
    for free_bytes, way in ((4 * weights, side_by_side), (4 * weights - 1, one_by_one)):
        monkeypatch.setattr(loading, "available_bytes", lambda free=free_bytes: free)
        assert way_of_loading(FOLDER) is way
    monkeypatch.setattr(loading, "available_bytes", lambda: None)
    assert way_of_loading(FOLDER) is one_by_one


def test_so_is_everything_on_one_processor(monkeypatch):
    monkeypatch.setattr(loading, "available_bytes", lambda: 2**50)
    monkeypatch.setattr(loading, "usable_processors", lambda: 1.5)
    assert way_of_loading(FOLDER) is one_by_one


@pytest.mark.parametrize("backend", ["python", pytest.param("native", marks=pytest.mark.native)])
def test_two_models_are_under_way_at_once(monkeypatch, backend):
    """The others begin while the transformer is compiled."""
    monkeypatch.setattr(loading, "available_bytes", lambda: 2**50)
    monkeypatch.setattr(loading, "usable_processors", lambda: 2)
    threads = set()
    read = FluxFolder.part

    def part(self, name):
        threads.add((name, threading.current_thread() is threading.main_thread()))
        return read(self, name)

    monkeypatch.setattr(FluxFolder, "part", part)
    Text2ImagePipeline(demo_model_path(), "CPU", backend=backend)
    assert ("transformer", True) in threads
    assert {("text_encoder", False), ("text_encoder_2", False), ("vae_decoder", False)} <= threads


def test_the_locale_stays_what_it_was(tmp_path):
    """OpenVINO sets another one while it fills CACHE_DIR, and two threads confuse it."""
    before = locale.setlocale(locale.LC_ALL)

    def compiled(part, kept):
        core = ov.Core()
        model = core.read_model(FOLDER.part(part) / "openvino_model.xml")
        return core.compile_model(model, "CPU", {"CACHE_DIR": kept})

    parts = ("vae_decoder", "text_encoder", "text_encoder_2")
    for number in range(4):
        kept = str(tmp_path / str(number))
        side_by_side(*(partial(compiled, part, kept) for part in parts))
        assert locale.setlocale(locale.LC_ALL) == before
