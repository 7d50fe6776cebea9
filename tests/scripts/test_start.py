"""The benchmark of starting up: it runs what it names, and its figures fit together."""

import json

from scripts.benchmarks import start


def test_every_start_is_measured_beside_bare_python(capsys):
    start.main(["--repeats", "1"])
    *table, line = capsys.readouterr().out.splitlines()
    results = json.loads(line)["starts"]
    assert list(results) == list(start.STARTS)
    assert len(table) == 1 + len(results)
    bare_s = results["python -c pass"]["median_s"]
    for figures in results.values():
        assert figures["beyond_s"] == figures["median_s"] - bare_s
        assert 0 < figures["least_s"] <= figures["median_s"]
