"""What tests of commands use: drawing into a folder, reading what is there, and the options."""

import argparse

from PIL import Image

from taylorseer_ov.cli import build_parser, main


def generate(folder, *options):
    """Draw into a folder and return the pictures that are new in it."""
    before = set(folder.glob("*.png"))
    assert main(["generate", "-o", str(folder), *map(str, options)]) == 0
    return sorted(set(folder.glob("*.png")) - before)


def options_of(command):
    """The options of a command, by all that can be typed for them."""
    (commands,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return commands.choices[command]._option_string_actions


def pixels(path):
    with Image.open(path) as picture:
        return picture.tobytes()
