"""The README and the pages: what they name is there, and their code runs."""

import importlib
import re

import pytest

import taylorseer_ov
from tests.common import REPOSITORY
from tests.house.test_rooms import MAY_IMPORT

pytestmark = pytest.mark.once

DOCS = REPOSITORY / "docs"
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "samples/README.md")),
    *sorted(DOCS.rglob("*.md")),
]
# those whose code draws with the demo model and needs nothing else
RUN = ["README.md", "docs/caching.md", "docs/adding-a-model.md"]
# the corner of each table that the README has in common with a page
COPIED = {
    "transformer runs": "benchmarks.md",
    "`taylorseer-ov`": "command-line.md",
    "`cache=`": "caching.md",
}


def named(page):
    return str(page.relative_to(REPOSITORY))


def code_of(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def resolve(path):
    """What a dotted path names: an attribute of a module."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_reference_has_every_public_name():
    reference = "\n".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))
    listed = re.findall(r"^::: (\S+)$", reference, re.M)
    assert len(listed) == len(set(listed))
    shown = [resolve(path) for path in listed]
    missing = [
        f"{face.__name__}.{name}"
        for face in [taylorseer_ov, *map(room_of, taylorseer_ov.ROOMS)]
        for name in face.__all__
        if not any(getattr(face, name) is found for found in shown)
    ]
    assert missing == []


def test_the_reference_has_all_that_a_pipeline_can_do():
    page = (DOCS / "reference" / "pipelines.md").read_text("utf-8")
    listed = re.search(r"members: \[(.*?)\]", page, re.S).group(1).replace("\n", " ").split(",")
    public = {name for name in dir(taylorseer_ov.Text2ImagePipeline) if not name.startswith("_")}
    assert {name.strip() for name in listed} == public


def room_of(name):
    return importlib.import_module(f"taylorseer_ov.{name}")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_files_that_are_there(page):
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    gone = [
        target
        for target in targets
        if not target.startswith("http") and not (page.parent / target).exists()
    ]
    assert gone == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_and_modules_that_are_named_are_there(page):
    text = page.read_text("utf-8")
    files = re.findall(r"\b(?:scripts|samples|tests|docs|taylorseer_ov)/[\w./-]*\w", text)
    assert [name for name in files if not (REPOSITORY / name).exists()] == []
    modules = re.findall(r"python -m\s+(scripts[\w.]+\w)", text)
    for path in (REPOSITORY / name.replace(".", "/") for name in modules):
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), path


def test_the_readme_is_short_and_has_its_commands():
    text = (REPOSITORY / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 220
    for name in ("draw", "test"):
        assert f"<!-- command: {name} -->\n```bash\n" in text


@pytest.mark.parametrize("name", RUN)
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = REPOSITORY / name
    shared = {}
    for code in code_of(page, "python"):
        if "cache_report" in code:
            continue  # needs a model of Optimum Intel
        exec(compile(code, str(page), "exec"), shared)
    if name == "README.md":
        assert (tmp_path / "circle.png").is_file()
        assert "ran the transformer" in capsys.readouterr().out


def test_the_first_page_shows_the_code_of_the_readme():
    shown = code_of(DOCS / "index.md", "python")
    assert shown == code_of(REPOSITORY / "README.md", "python")[:1]


def table(page, corner):
    """The lines of the table that has this in its first cell."""
    return re.search(rf"^\| {re.escape(corner)} \|(?:.*\n\|)*.*$", page.read_text("utf-8"), re.M)[0]


@pytest.mark.parametrize(("corner", "page"), COPIED.items())
def test_a_table_in_the_readme_is_that_of_its_page(corner, page):
    shown = table(REPOSITORY / "README.md", corner)
    assert shown.count("\n") > 5
    assert shown == table(DOCS / page, corner)


def test_the_rooms_are_told_as_they_are_tested():
    lines = table(REPOSITORY / "CONTRIBUTING.md", "Room").splitlines()[2:]
    told = {}
    for room, _, allowed in (line.strip("| ").split(" | ") for line in lines):
        told[room.strip("`/")] = set(re.findall(r"`(\w+)`", allowed))
    assert told.pop("ground") == set()  # it says "ground", as the first four do
    told["cli"] = MAY_IMPORT["cli"]  # it says "all"
    assert told == MAY_IMPORT


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_all_code_can_be_compiled(page):
    for code in code_of(page, "python"):
        compile(code, str(page), "exec")


def test_the_changelog_says_where_modules_are_now():
    text = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*`) \| (`.*) \|$", text, re.M)
    named_now = [place for _, now in rows for place in re.findall(r"`([\w.]+)`", now)]
    paths = [REPOSITORY / "taylorseer_ov" / f"{name.replace('.', '/')}.py" for name in named_now]
    assert len(paths) > 30
    assert [path for path in paths if not path.is_file()] == []
    for before, now in rows:
        if now.endswith("under the same names"):
            room = REPOSITORY / "taylorseer_ov" / now[1:].partition(".")[0]
            kept = [room / f"{name}.py" for name in re.findall(r"`(\w+)`", before)]
            assert [path for path in kept if not path.is_file()] == []
