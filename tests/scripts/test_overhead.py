"""The benchmark of what is not the models' work: what it subtracts, and what it tells."""

import importlib
import json
import time

import pytest

pytestmark = pytest.mark.native


@pytest.fixture
def overhead():
    """The script, which imports openvino_genai."""
    return importlib.import_module("scripts.benchmarks.overhead")


def test_what_models_take_is_subtracted_once(overhead, monkeypatch):
    class Model:
        def infer(self):
            time.sleep(0.02)

        def generate(self):
            self.infer()

    plain = Model.generate
    monkeypatch.setattr(overhead, "MODEL_CALLS", ((Model, "infer"), (Model, "generate")))
    with overhead.ModelsTime() as models:
        taken = overhead.measure(lambda: (Model().generate(), time.sleep(0.01)), models)
    assert Model.generate is plain
    assert taken["picture_ms"] >= 30
    assert taken["outside_ms"] >= 10  # less if the inner call counted twice
    assert models.wall_s >= 0.02
    assert 1000 * models.wall_s == pytest.approx(taken["picture_ms"] - taken["outside_ms"])


def test_every_way_is_told(overhead, capsys):
    assert overhead.main(["--pictures", "1"]) == 0
    *table, line = capsys.readouterr().out.splitlines()
    results = json.loads(line)["ways"]
    assert len(table) == 1 + len(results) == 1 + 2 * len(overhead.KINDS)
    assert all(0 < way["outside_ms"] < way["picture_ms"] for way in results)
