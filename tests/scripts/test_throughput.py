"""The benchmark of throughput: it draws in every way it names, and its figures fit together."""

import json

from scripts.benchmarks import throughput


def test_every_way_is_timed(capsys):
    small = ["--sizes", "64", "--count", "2", "--repeats", "1", "--precision", "f32"]
    assert throughput.main(small) == 0
    *table, line = capsys.readouterr().out.splitlines()
    timed = json.loads(line)["sizes"]["64"]
    assert list(timed) == ["one by one", "1 stream", "2 streams"]
    assert len(table) == 1 + len(timed)
    for figures in timed.values():
        assert 0 < figures["least_s"] <= figures["median_s"]
        assert figures["process_s"] > 0
    assert throughput.main(["--count", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
