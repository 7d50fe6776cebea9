"""The command line, `taylorseer-ov COMMAND`: one module for each command.

A command's module adds its parser in `add_to` and names what runs it (`compare_folders` is the
other half of `compare`). `parser` is argparse with refusals of one line. `options` has what several
commands share, `caching` those of them that say what is cached, `devices` those that are named,
`properties` OpenVINO's; `settings_file` reads them from a file, `again` from a picture of ours.
`inputs` are pictures to draw from, `saving` is where they go. `console` says everything to people
in lines and to programs in events, `waiting` how far a picture is, `wording` turns what the library
says of its arguments into sentences about options, `interrupts` Ctrl-C into a request to stop. What
a command does is done in the other rooms: here are only words, options, exit statuses and the
reading of prompt files (`prompt_files`).

May import all rooms; at the top of a module only what loads no library, numpy included, so that
`--help` and completion answer at once.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

from . import batch, calibrate, compare, completion, doctor, export, generate, info
from .console import Console, MisuseError
from .interrupts import INTERRUPTED, LeftWorkingError, end_on_interrupt, leave
from .parser import Parser
from .settings_file import take_settings
from .wording import in_options

MISUSE, FAILURE = 2, 1
COMMANDS = (generate, batch, compare, calibrate, export, info, doctor, completion)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for a failure, 2 for misuse, 130 if stopped.

    A command may return a status of its own.
    """
    _print_every_character()
    try:
        arguments = parse(argv)
    except MisuseError as error:
        words = sys.argv[1:] if argv is None else argv
        Console(json="--json" in words, quiet="--quiet" in words).fail(str(error), MISUSE)
        return MISUSE
    console = Console(json=arguments.json, quiet=arguments.quiet)
    with end_on_interrupt(), warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_, **__: console.warn(in_options(str(message)))
        try:
            if arguments.settings is not None:
                take_settings(arguments, [_name(command) for command in COMMANDS])
                arguments = _parse(arguments.parser, argv)
                console = Console(json=arguments.json, quiet=arguments.quiet)
            return int(arguments.run(arguments, console) or 0)
        except (MisuseError, ValueError, TypeError, FileNotFoundError, FileExistsError) as error:
            return _fail(error, MISUSE, arguments.debug, console)
        except KeyboardInterrupt as stopped:
            console.fail("stopped", INTERRUPTED)
            if isinstance(stopped, LeftWorkingError):
                leave()
            return INTERRUPTED
        except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILURE
        except (RuntimeError, ArithmeticError, OSError, MemoryError) as error:
            return _fail(error, FAILURE, arguments.debug, console)
        except Exception as error:
            bug = f"unexpected {type(error).__name__}: {error} (--debug shows where)"
            return _fail(error, FAILURE, arguments.debug, console, bug)


def _print_every_character() -> None:
    """Print as escapes what a console's code page has not, as Python itself does on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse; positional words may stand before, after and between the options."""
    return _parse(build_parser(), argv)


def _parse(parser: Parser, argv: Sequence[str] | None) -> argparse.Namespace:
    arguments, rest = parser.parse_known_args(argv)
    if rest:
        if not hasattr(arguments, "words") or any(word.startswith("-") for word in rest):
            getattr(arguments, "of_command", parser).refuse_unknown(rest)
        arguments.words += rest
    return arguments


def build_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="taylorseer-ov", description="Flux on OpenVINO, sped up by TaylorSeer caching."
    )
    parser.add_argument("--version", action="version", version=_version())
    parser.set_defaults(parser=parser)  # from which completion makes its script
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        added = command.add_to(commands)
        # `otherwise` is what a file or a picture says of options that are not given
        added.set_defaults(of_command=added, settings=None, otherwise={})
        added.add_argument("--json", action="store_true", help="events as JSON lines on stdout")
        added.add_argument("--quiet", action="store_true", help="say nothing but errors")
        added.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _name(command: ModuleType) -> str:
    return command.__name__.rpartition(".")[2]


def _version() -> str:
    from ..version import __version__

    return f"taylorseer-ov {__version__}"


def _fail(
    error: BaseException, status: int, debug: bool, console: Console, message: str | None = None
) -> int:
    if debug:
        raise error
    console.fail(message or _sentence(error), status)
    return status


def _sentence(error: BaseException) -> str:
    from ..model_files import ModelFolderError
    from ..pictures.recipe import RecipeError

    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"  # without the system's number
    names_are_typed = isinstance(error, MisuseError | ModelFolderError | RecipeError)
    return str(error) if names_are_typed else in_options(str(error))
