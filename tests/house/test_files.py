"""Files that cannot be written."""

import errno
import os

import pytest

from taylorseer_ov.files import write_over


def test_a_full_disk_is_told_with_the_name_of_the_file_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"before")

    def pieces():
        yield b"begun"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left") as full:
        write_over(path, pieces())
    assert full.value.filename == str(path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
