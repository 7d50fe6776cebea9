"""The benchmark of the first generation: what one process tells."""

import json

from scripts.benchmarks import first


def test_a_process_tells_of_loading_the_first_picture_and_the_next(capsys):
    first.main(["--way", "python", "--pictures", "2"])
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["load_s", "first_s", "next_s"]
    assert all(seconds > 0 for seconds in told.values())
