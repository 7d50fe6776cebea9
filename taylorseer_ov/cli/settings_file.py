"""Options from a file of TOML, `--settings FILE`, by the names that they have on the command line.

    steps = 28
    cache = "fast"
    low-memory = true
    property = { INFERENCE_NUM_THREADS = 4 }

    [generate]
    output = "pictures"

A command reads what stands above all tables, and the table of its own name, which goes before that.
What is typed goes before both. A path is one from the folder in which the command is run, as it is
where it is typed; nothing in a file is run.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..checks import nearest
from .caching import WAYS_OF_CACHING
from .console import MisuseError
from .parser import NUMBERS, read_path
from .properties import PROPERTY_OPTIONS, read_value

MOST_BYTES = 1 << 15  # names with thousands of dots take seconds in more
LEFT_OUT = ("help", "settings")
KINDS: dict[Any, tuple[str, tuple[type, ...]]] = {
    int: (NUMBERS[int], (int,)),
    float: (NUMBERS[float], (int, float)),
    bool: ("true or false", (bool,)),
    str: ("a text", (str,)),
}


class SettingsOption(argparse.Action):
    """`--settings FILE`: nothing else is required, for the file may say it."""

    def __call__(self, parser: argparse.ArgumentParser, *taken: Any) -> None:
        namespace, path, _ = taken
        setattr(namespace, self.dest, path)
        for action in parser._actions:
            action.required = False


def add_settings_option(parser: argparse.ArgumentParser) -> None:
    """The file, whose reading is left to `take_settings`."""
    parser.add_argument(
        "--settings",
        action=SettingsOption,
        type=Path,
        metavar="FILE",
        help="take options that are not typed from this TOML file, by the same names: steps = 28",
    )


def take_settings(typed: argparse.Namespace, commands: Sequence[str]) -> None:
    """Make what `typed.settings` says the defaults of the parser that `typed` comes from.

    Args:
        commands: names of all, which tables may have.

    Raises:
        MisuseError: for what is no file of settings, with the line; for a name that is unknown, a
            value of another kind, and one thing said twice.
    """
    parser: argparse.ArgumentParser = typed.of_command
    file = _SettingsFile(typed.settings, commands)
    values = file.values(parser)
    for option, name in PROPERTY_OPTIONS.items():
        if option in values and name in values.get("property", {}):
            found, section = file.found[option]
            raise file.error(found, f"says the same as {name}; give one of them", section)
    for option in _overruled(typed) & values.keys():
        del values[option]
    # words may be for the model and the prompt, and only they tell whether the file's are needed
    later = {"property", *typed.by_words} & values.keys()
    parser.set_defaults(otherwise={option: values.pop(option) for option in later}, **values)


def _overruled(typed: argparse.Namespace) -> set[str]:
    """Options of a file that those typed say otherwise, by another name."""
    said = {text.partition("=")[0].strip() for text in typed.property or ()}
    names = {option for option, name in PROPERTY_OPTIONS.items() if name in said}
    for choice in WAYS_OF_CACHING:
        if any(getattr(typed, name, None) is not None for name in choice):
            names |= {name for other in WAYS_OF_CACHING for name in other if other is not choice}
    return names


class _SettingsFile:
    """A file that is read, and its lines for errors.

    Attributes:
        found: the name that an option has there, and its table, None above all tables.
    """

    def __init__(self, path: Path, commands: Sequence[str]) -> None:
        self._path, self._commands = path, commands
        self.found: dict[str, tuple[str, str | None]] = {}
        try:
            with path.open("rb") as stream:
                data = stream.read(MOST_BYTES + 1)
        except OSError as error:
            raise MisuseError(f"--settings: cannot read {str(path)!r} ({error.strerror})") from None
        if len(data) > MOST_BYTES:
            raise MisuseError(f"--settings: {str(path)!r} has over {MOST_BYTES} bytes")
        try:
            self._text = data.decode("utf-8-sig")  # Windows' editors begin with a mark
            self._tables = _parse(self._text)
        except UnicodeDecodeError:
            raise MisuseError(f"--settings: {str(path)!r} is not UTF-8; save it as that") from None
        except (ValueError, RecursionError) as error:
            raise MisuseError(f"--settings: {str(path)!r} is not TOML: {_told(error)}") from None

    def values(self, parser: argparse.ArgumentParser) -> dict[str, Any]:
        """What it says to a command, by the names in a namespace."""
        command = parser.prog.rpartition(" ")[2]
        tables = self._tables
        common = {name: tables[name] for name in tables if name not in self._commands}
        own = tables.get(command, {})
        if not isinstance(own, dict):
            raise self.error(command, f"is a table, [{command}], of what is for it only")
        read = self._read(common, None, parser)
        mine = self._read(own, command, parser)
        if "property" in mine:
            mine["property"] = read.get("property", {}) | mine["property"]
        return read | mine

    def _read(
        self, table: Mapping[str, Any], section: str | None, parser: argparse.ArgumentParser
    ) -> dict[str, Any]:
        known = _options(parser)
        read: dict[str, Any] = {}
        for name, value in table.items():
            action = known.get(name.replace("_", "-"))
            if action is None:
                names = [*known, *(() if section else self._commands)]
                raise self.error(
                    name, f"is no option of {parser.prog}{nearest(name, names)}", section
                )
            if action.dest in read:
                raise self.error(name, "says the same as another line; give one of them", section)
            self.found[action.dest] = name, section
            try:
                read[action.dest] = _value(action, value)
            except (MisuseError, argparse.ArgumentTypeError) as error:
                raise self.error(name, str(error), section) from None
        return read

    def error(self, name: str, sentence: str, section: str | None = None) -> MisuseError:
        """What is wrong with a name of it, and where."""
        line = _line_of(self._text, name, section)
        where = f"{self._path}, line {line}" if line else str(self._path)
        shown = name if re.fullmatch("[A-Za-z0-9_-]{1,80}", name) else f"{name!r:.80}"
        return MisuseError(f"{where}: {shown} {sentence}")


def _parse(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        from tomllib import loads
    else:
        from tomli import loads
    return loads(text)


def _options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The options of a command by their long names."""
    return {
        option.removeprefix("--"): action
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--") and action.dest not in LEFT_OUT
    }


def _value(action: argparse.Action, value: Any) -> Any:
    if action.dest == "property":
        if not isinstance(value, dict):
            raise MisuseError("must be a table, such as { INFERENCE_NUM_THREADS = 4 }")
        return {name: read_value(name, _as_text(name, value[name])) for name in value}
    if action.nargs == 0:
        return _of_kind(bool, value)
    if action.nargs != "+":
        return _item(action, value)
    items = value if isinstance(value, list) else [value]
    if not items:
        raise MisuseError("must not be empty")
    return [_item(action, item) for item in items]


def _item(action: argparse.Action, value: Any) -> Any:
    kind: Any = action.type
    if kind in (int, float):
        return _of_kind(kind, value)
    given = _of_kind(str, value)
    read = given if kind is None else read_path(given) if kind is Path else kind(given)
    if action.choices is not None and read not in action.choices:
        raise MisuseError(f"must be one of {', '.join(action.choices)}, got {value!r}")
    return read


def _of_kind(kind: type, value: Any) -> Any:
    told, kinds = KINDS[kind]
    # True is a whole number to Python
    if not isinstance(value, kinds) or isinstance(value, bool) != (kind is bool):
        raise MisuseError(f"must be {told}, got {value!r:.80}")
    return value


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "YES" if value else "NO"
    if not isinstance(value, str | int | float):
        raise MisuseError(f"has {name} of a kind that no property is: {value!r:.80}")
    return str(value)


def _line_of(text: str, name: str, section: str | None) -> int | None:
    """The line on which a table has a name, as far as that can be seen."""
    table = None
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        is_header = content.startswith("[") and content.endswith("]")
        if is_header:
            table = content.strip("[] ")
        key, equals, _ = content.partition("=")
        # `property.PERF_COUNT = true` is about the property
        is_name = bool(equals) and name in (key.strip(" \"'"), key.partition(".")[0].strip())
        if (table == section and is_name) or (is_header and table == name):
            return number
    return None


def _told(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    advice = "; a path of Windows goes between ' and '" if "\\" in str(error) else ""
    return f"{error}{advice}"
