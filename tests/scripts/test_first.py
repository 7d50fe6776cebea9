"""The benchmark of the first generation: what one process tells."""

import json

from scripts.benchmarks import first


def test_a_process_tells_of_loading_the_first_picture_and_the_next(capsys):
    first.main(["--way", "python", "--pictures", "2"])
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["load_s", "load_cpu_s", "first_s", "next_s"]
    assert all(seconds > 0 for seconds in told.values())


def test_ratios_are_of_what_was_measured_in_the_same_round():
    names = "load_s", "load_cpu_s", "first_s", "next_s"
    ours = [dict(zip(names, run, strict=True)) for run in ((2, 3, 1, 1), (9, 9, 3, 1))]
    theirs = [dict(zip(names, run, strict=True)) for run in ((1, 3, 1, 1), (9, 3, 3, 1))]
    told = first.compared(ours, theirs)
    assert told["load_s"] == 5.5
    assert told["first_to_next"] == 2
    assert told["load_ratio"] == (2 / 1 + 9 / 9) / 2
    assert told["drawn_ratio"] == (3 / 2 + 12 / 12) / 2
    assert told["cpu_ratio"] == (1 + 3) / 2
