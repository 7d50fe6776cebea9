"""The floor plan: who may import whom, read from the source of every module."""

import ast
from pathlib import Path

import pytest

import taylorseer_ov

PACKAGE = Path(taylorseer_ov.__file__).parent

# Files that any room may import. They import each other and nothing of the rooms.
GROUND = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
UP_TO_PICTURES = {"caching", "flux", "generation", "pictures"}
MAY_IMPORT = {
    "caching": set(),
    "flux": set(),
    "generation": {"caching", "flux"},
    "pictures": {"caching", "flux", "generation"},
    "pipelines": UP_TO_PICTURES,
    "batch": {*UP_TO_PICTURES, "pipelines"},
    "doctor": {*UP_TO_PICTURES, "pipelines"},
    "export": {"flux", "pipelines"},
    "optimum": {"caching"},
    "cli": {*taylorseer_ov.ROOMS},
}
SOURCES = sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")])


def name_of(path: Path) -> tuple[str, ...]:
    """The parts of a module's name below the package: `("caching", "plan")`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {name_of(path) for path in SOURCES}


def imported_by(path: Path) -> set[tuple[str, ...]]:
    """All modules of the package that a file imports, in functions and for types too."""
    package = name_of(path)
    if path.stem != "__init__":
        package = package[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {tuple(name[1:]) for name in names if name[0] == "taylorseer_ov"}
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                base = package[: len(package) - node.level + 1] + module
            elif module[0] == "taylorseer_ov":
                base = module[1:]
            else:
                continue
            for alias in node.names:  # of a package, a name may be one of its modules
                within = (*base, alias.name)
                found.add(within if within in MODULES else base)
    return found


def test_the_table_knows_every_room():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(MAY_IMPORT) == {*taylorseer_ov.ROOMS, "cli"}


@pytest.mark.parametrize("room", [*MAY_IMPORT, None])
def test_imports_go_one_way(room):
    """A room imports the ground, itself and what the table allows; the ground imports itself."""
    allowed = GROUND | MAY_IMPORT.get(room, set()) | ({room} if room else set())
    for path in SOURCES:
        name = name_of(path)
        if not name or (name[0] if name[0] in MAY_IMPORT else None) != room:
            continue  # the package's own face names every room
        for module in imported_by(path):
            assert module, f"{'.'.join(name)} imports the package's face, not a module"
            assert module[0] in allowed, f"{'.'.join(name)} imports {'.'.join(module)}"


def test_no_circle():
    """Modules can be put in an order in which each imports earlier ones only."""
    left = {name_of(path): imported_by(path) for path in SOURCES if path.suffix == ".py"}
    left = {name: {other for other in used if other in left} for name, used in left.items()}
    while left:
        free = [name for name, used in left.items() if not used & left.keys()]
        assert free, f"in a circle: {sorted('.'.join(name) for name in left)}"
        for name in free:
            del left[name]


def test_no_module_is_longer_than_300_lines_and_no_function_than_60():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                assert length <= 60, f"{path}: {node.name} has {length} lines"


def test_every_room_says_what_it_is_and_what_it_may_import():
    for room, allowed in MAY_IMPORT.items():
        docstring = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text()))
        assert docstring, room
        assert len(docstring) > 100, room
        for other in allowed if room != "cli" else ():
            assert other in docstring, f"{room} does not say that it may import {other}"
