"""`taylorseer-ov completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import argparse
from typing import Any

from .console import Console


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "completion", help="print what makes a shell complete commands and options"
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Print the script of the whole `arguments.parser`.

    `eval "$(taylorseer-ov completion bash)"` uses it.
    """
    import shtab

    print(shtab.complete(arguments.parser, arguments.shell))
