"""What is known of the lines: a database, and a manifest from which it can be made again."""

import json
import os
import shutil
import sqlite3

import pytest

from taylorseer_ov.batch.folder import BatchFolder
from taylorseer_ov.batch.manifest import BatchFolderError, Entry, Manifest
from taylorseer_ov.batch.run import run_batch
from tests.batch.common import FAILS, assert_clean, line, manifest, stamps, statuses

STATE, DATABASE = ".taylorseer-batch", ".taylorseer-batch/lines.sqlite"
ASKED = [line(seed=1), line(seed=2), line(**FAILS)]


@pytest.fixture
def begun(pipeline, tmp_path):
    """A folder with two of three pictures, the third failed."""
    outcomes = statuses(run_batch(pipeline, ASKED, tmp_path))
    assert outcomes == {1: "drawn", 2: "drawn", 3: "failed"}
    return tmp_path


GOES_ON_AS = ("done", "done", "failed")
GOES_ON = {1: "present", 2: "present", 3: "failed"}


def test_a_batch_of_an_earlier_version_goes_on(pipeline, begun):
    """Those had the manifest alone, with a row for each line and the same fields."""
    shutil.rmtree(begun / STATE)
    before, rows = stamps(begun), manifest(begun)
    assert statuses(run_batch(pipeline, ASKED, begun)) == GOES_ON
    assert stamps(begun) == before
    assert manifest(begun) == rows
    assert_clean(begun)


def test_the_manifest_is_whole_without_the_database_while_lines_are_drawn(
    pipeline, tmp_path, tmp_path_factory
):
    outcomes = run_batch(pipeline, ASKED, tmp_path)
    assert next(outcomes).status == "drawn"
    copied = tmp_path_factory.mktemp("copied") / "folder"
    shutil.copytree(tmp_path, copied, ignore=shutil.ignore_patterns(STATE))
    outcomes.close()
    assert [row["status"] for row in manifest(tmp_path)] == ["done", "pending", "pending"]
    assert statuses(run_batch(pipeline, ASKED, copied)) == {1: "present", 2: "drawn", 3: "failed"}


def test_the_last_row_of_a_line_holds_and_one_that_is_half_there_is_passed_over(pipeline, begun):
    path = begun / "manifest.jsonl"
    before = stamps(begun)
    done = manifest(begun)[0]
    earlier = done | {"status": "failed", "files": [], "sizes": [], "error": "no memory"}
    header, *rows = path.read_text().splitlines(keepends=True)
    torn = rows[-1][:50]
    for database in ("there", "gone"):
        path.write_text("".join([header, json.dumps(earlier) + "\n", *rows, torn]))
        if database == "gone":
            shutil.rmtree(begun / STATE)
        assert statuses(run_batch(pipeline, ASKED, begun)) == GOES_ON
        assert stamps(begun) == before
        assert_clean(begun)


def test_a_manifest_that_is_gone_is_written_again(pipeline, begun):
    rows = manifest(begun)
    (begun / "manifest.jsonl").unlink()
    outcomes = run_batch(pipeline, ASKED, begun)
    assert manifest(begun) == rows
    (begun / "manifest.jsonl").unlink()  # while lines are drawn
    assert statuses(outcomes) == GOES_ON
    assert manifest(begun) == rows


def write_garbage(path):
    path.write_bytes(b"no database" * 999)


def write_another(path):
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 1")
    database.close()


def write_elsewhere(path):
    with sqlite3.connect(path) as database:
        database.execute("""UPDATE lines SET row = replace(row, '"files": ["', '"files": ["../')""")
    database.close()


def write_later(path):
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 2")
    database.close()


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (
            write_garbage,
            BatchFolderError,
            r"is damaged \(file is not a database\); remove it",
        ),
        (write_another, OSError, "no such table"),
        (write_elsewhere, BatchFolderError, "is damaged .an entry names files elsewhere"),
        (write_later, BatchFolderError, "was made by a later version of this package"),
    ],
)
def test_a_damaged_database_is_refused_and_can_be_removed(damage, error, message, pipeline, begun):
    before, text = stamps(begun), (begun / "manifest.jsonl").read_text()
    damage(begun / DATABASE)
    with pytest.raises(error, match=message):
        list(run_batch(pipeline, ASKED, begun))
    assert (begun / "manifest.jsonl").read_text() == text
    (begun / DATABASE).unlink()
    assert statuses(run_batch(pipeline, ASKED, begun)) == GOES_ON
    assert stamps(begun) == before


def test_the_manifest_of_another_program_is_kept_beside_a_database(pipeline, begun):
    path = begun / "manifest.jsonl"
    path.write_text("my own notes\n")
    with pytest.raises(BatchFolderError, match="is not the manifest of a batch, or damaged"):
        run_batch(pipeline, ASKED, begun)
    assert path.read_text() == "my own notes\n"


def test_lines_that_are_not_in_the_input_any_more_are_listed_if_they_were_drawn(pipeline, begun):
    more = [*ASKED, line(seed=3), line(width=100)]
    list(run_batch(pipeline, more, begun, skip_bad_lines=True, stop=lambda: True))
    assert [row["status"] for row in manifest(begun)] == [*GOES_ON_AS, "pending", "bad"]
    assert statuses(run_batch(pipeline, ASKED[:1], begun)) == {1: "present"}
    assert [row["status"] for row in manifest(begun)] == [*GOES_ON_AS]
    # what was bad or waiting is new
    more[-1] = line(height=100)
    list(run_batch(pipeline, more, begun, skip_bad_lines=True, stop=lambda: True))
    assert [row["status"] for row in manifest(begun)] == [*GOES_ON_AS, "pending", "bad"]
    assert manifest(begun)[-1]["error"].startswith("height")


def test_a_free_name_is_found_in_few_looks(tmp_path, monkeypatch):
    """However many lines have the same prompt and seed."""
    folder = BatchFolder(tmp_path)
    folder.open()
    looks = 0
    lexists = os.path.lexists

    def look(path):
        nonlocal looks
        looks += 1
        return lexists(path)

    monkeypatch.setattr(os.path, "lexists", look)
    names = []
    for number in range(300):
        done = Entry(f"key{number}", number, "same", "done")
        looks = 0
        names += folder.publish(done, ["same"], [b"picture"]).files
        assert looks <= 20
    assert names == ["same.png", *(f"same-{number}.png" for number in range(2, 301))]


def test_rows_are_written_and_read_one_after_the_other(tmp_path):
    """A manifest of any length takes the memory of a row."""
    import tracemalloc

    made = Manifest(tmp_path, tmp_path)
    made.open()
    made.expect(Entry(f"key{number}", number, "a prompt " * 100, "done") for number in range(9000))
    tracemalloc.start()
    made.write_out()
    (tmp_path / "lines.sqlite").unlink()
    made.open()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "manifest.jsonl").stat().st_size > 9_000_000
    assert peak_bytes < 1_000_000


@pytest.mark.posix
def test_a_path_that_the_database_cannot_have_is_told(tmp_path):
    """Elsewhere as well: SQLite's bound lies far below the system's."""
    folder = tmp_path.joinpath(*["a long name of a folder"] * 20)
    folder.mkdir(parents=True)
    with pytest.raises(BatchFolderError, match="bytes, and SQLite takes some 500; choose"):
        Manifest(folder, folder).open()
