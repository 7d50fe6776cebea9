"""Locks: held by one, and gone with their owner."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

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


def test_a_lock_is_held_against_other_threads_and_let_go_of_in_any(tmp_path):
    """A generator holds a lock, and its last step may be another thread's, as in a batch."""
    path = tmp_path / "lock"
    held = locked_if_free(path)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(held.__enter__).result()
        with locked_if_free(path) as mine:
            assert not mine
        held.__exit__(None, None, None)
        with locked(path):
            assert not other.submit(locked_if_free(path).__enter__).result()
    assert not path.exists()


def test_processes_hold_it_one_at_a_time(tmp_path):
    """The file of the lock is removed each time: nobody holds the lock of a file that is gone."""
    script = (
        "import sys; from pathlib import Path; from taylorseer_ov.files import locked\n"
        "lock, counted = Path('lock'), Path('counted')\n"
        "for _ in range(200):\n"
        "    with locked(lock): counted.write_text(str(int(counted.read_text()) + 1))"
    )
    (tmp_path / "counted").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert (tmp_path / "counted").read_text() == "600"
    assert not (tmp_path / "lock").exists()


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
