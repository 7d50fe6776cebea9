"""What is handed out: the sdist holds what its tests need, the wheel the package and no more."""

import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests.common import REPOSITORY

pytestmark = pytest.mark.once

FILES = ["*.md", "*.toml", "*.yml", "*.yaml", "LICENSE", "MANIFEST.in"]
FOLDERS = ("taylorseer_ov", "tests", "scripts", "samples", "docs", ".ci", ".github")
BUILD = "import sys, setuptools.build_meta as build; getattr(build, sys.argv[1])(sys.argv[2])"
UNWANTED = shutil.ignore_patterns("__pycache__", ".*_cache")


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def build(kind, source, folder):
    """Build as pip does, but with the setuptools that is installed; return the one file made."""
    command = [sys.executable, "-c", BUILD, f"build_{kind}", folder]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what is tracked, so that building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    for pattern in FILES:
        for path in REPOSITORY.glob(pattern):
            shutil.copy(path, copy)
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, copy / name, ignore=UNWANTED)
    return copy


@pytest.fixture(scope="module")
def unpacked(checkout, tmp_path_factory):
    """The sdist made of it, unpacked."""
    tracked = files_below(checkout)
    archive = build("sdist", checkout, tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as packed:
        # Python 3.10.11 has no filters yet; from 3.12 on it warns where none is chosen
        packed.extraction_filter = getattr(tarfile, "data_filter", None)
        packed.extractall(folder)
    (inner,) = folder.iterdir()
    return inner, tracked


def test_the_sdist_holds_every_file_of_a_checkout(unpacked):
    folder, tracked = unpacked
    packed = files_below(folder)
    assert tracked - packed == set()
    made = {name for name in packed - tracked if ".egg-info/" not in name}
    assert made == {"PKG-INFO", "setup.cfg"}


def test_the_wheel_made_of_the_sdist_holds_the_package_and_nothing_else(unpacked, tmp_path):
    folder, tracked = unpacked
    with zipfile.ZipFile(build("wheel", folder, tmp_path)) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == {name for name in tracked if name.startswith("taylorseer_ov/")}
    assert "taylorseer_ov/py.typed" in packed
    assert "taylorseer_ov/demo_model/transformer/openvino_model.bin" in packed
