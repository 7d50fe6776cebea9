"""What was made of files: kept while they stay as they are, and no longer."""

import os

import pytest

from taylorseer_ov import model_files
from taylorseer_ov.model_files import Readings


@pytest.fixture
def settled(monkeypatch):
    """As if the files of a test had been written long ago."""
    monkeypatch.setattr(model_files, "SETTLED_NS", -1)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text("one")
    return path


class Reader:
    """Reads a file through `readings`, and counts how often it really is read."""

    def __init__(self, path, most=8):
        self.readings, self.path, self.reads = Readings[str](most), path, 0

    def __call__(self, path=None):
        return self.readings.of([path or self.path], lambda: self.read(path or self.path))

    def read(self, path):
        self.reads += 1
        return path.read_text()


def test_a_file_that_stays_is_read_once(file, settled):
    reader = Reader(file)
    assert [reader(), reader(), reader()] == ["one"] * 3
    assert reader.reads == 1


def test_a_change_is_seen_even_where_size_and_time_are_the_same(file, settled):
    reader = Reader(file)
    assert reader() == "one"
    status = file.stat()
    file.write_text("two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert reader() == "two"
    other = file.with_name("other")
    other.write_text("six")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(other, file)
    assert reader() == "six"


def test_what_changed_a_moment_ago_is_read_again(file):
    """Until the file has another time if it changes, however coarsely its disk counts."""
    reader = Reader(file)
    assert [reader(), reader()] == ["one"] * 2
    assert reader.reads == 2


def test_a_file_that_is_gone_is_not_remembered(file, settled):
    reader = Reader(file)
    reader()
    file.unlink()
    with pytest.raises(FileNotFoundError):
        reader()


def test_the_least_recently_used_goes(file, settled):
    reader, other, third = Reader(file, most=2), file.with_name("b"), file.with_name("c")
    for path in (other, third):
        path.write_text("two")
    reader(), reader(other), reader(), reader(third)
    assert reader.reads == 3
    reader()
    assert reader.reads == 3
    reader(other)
    assert reader.reads == 4


def test_an_error_is_told_every_time(file, settled):
    readings = Readings[int](8)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            readings.of([file], lambda: int(file.read_text()))
