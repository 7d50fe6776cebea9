"""What tests of commands use: drawing into a folder, and reading what is there."""

from PIL import Image

from taylorseer_ov.cli import main


def generate(folder, *options):
    """Draw into a folder and return the pictures that are new in it."""
    before = set(folder.glob("*.png"))
    assert main(["generate", "-o", str(folder), *map(str, options)]) == 0
    return sorted(set(folder.glob("*.png")) - before)


def pixels(path):
    with Image.open(path) as picture:
        return picture.tobytes()
