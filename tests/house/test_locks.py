"""Locks: held by one, and gone with their owner."""

import subprocess
import sys
import threading

import pytest

from taylorseer_ov.files import locked, locked_if_free

pytestmark = pytest.mark.once


def test_a_lock_is_held_by_one(tmp_path):
    path = tmp_path / "lock"
    with locked_if_free(path) as first, locked_if_free(path) as second:
        assert (first, second) == (True, False)
    assert not path.exists()
    held = []

    def hold():
        for _ in range(50):
            with locked(path):
                held.append(1)
                assert sum(held) == 1
                held.pop()

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held == []
    assert not path.exists()


def test_a_lock_dies_with_its_owner(tmp_path):
    path = tmp_path / "lock"
    script = (
        "import sys, time; from pathlib import Path; from taylorseer_ov.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout.readline() == "held\n"
        with locked_if_free(path) as mine:
            assert not mine
        owner.kill()
        owner.wait()
        with locked_if_free(path) as mine:
            assert mine
