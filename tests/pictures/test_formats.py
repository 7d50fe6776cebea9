"""PNG, JPEG and WebP: chosen by suffix, with the same texts in each; strangers' files too."""

import contextlib
import io
import json
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from taylorseer_ov import Recipe, RecipeError, psnr
from taylorseer_ov.pictures.exif import exif_block
from taylorseer_ov.pictures.formats import encode, format_of, read_texts
from taylorseer_ov.pictures.texts import MOST_TEXT, RecipeLeftOutWarning
from tests.common import PROMPT
from tests.pictures.common import pixels

# few steps, for which the demo model has no calibrated plans
pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore::taylorseer_ov.caching.presets.CalibrationWarning"),
]
NAMES = [
    ("x.png", "PNG"),
    ("x.jpg", "JPEG"),
    ("x.JPG", "JPEG"),
    ("x.jpeg", "JPEG"),
    ("x.webp", "WEBP"),
]
TEXTS = {"parameters": "a cat\nSteps: 4", "taylorseer_ov": "{}"}
GREY = np.full((16, 16, 3), 128, np.uint8)


@pytest.mark.parametrize(("name", "kind"), NAMES)
def test_the_suffix_says_the_format_and_all_hold_the_recipe(drawn, name, kind, tmp_path):
    (path,) = drawn.save(tmp_path / name)
    assert path.name == name
    with Image.open(path) as picture:
        assert picture.format == kind
    assert Recipe.from_picture(path) == drawn.recipe
    if kind == "JPEG":
        assert psnr(pixels(path), drawn.data[0]) > 35
    else:
        assert np.array_equal(pixels(path), drawn.data[0])


def test_colours_of_jpeg_are_as_fine_as_brightness(drawn):
    (jpeg,) = drawn.encode(format="jpg")
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert [layer[1:3] for layer in picture.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("format", ["jpg", "webp"])
def test_pictures_in_a_folder_are_of_the_format_asked_for(drawn, format, tmp_path):
    dotted = tmp_path / "of.today"
    dotted.mkdir()
    first, second = drawn.save(dotted, format=format)[0], drawn.save(dotted, format=format)[0]
    assert first.name == PROMPT.replace(" ", "-") + f"_seed42.{format}"
    assert second.name == f"{first.stem}-2.{format}"
    (plain,) = drawn.save(tmp_path / "deep" / "er", metadata=False, format=format)
    with Image.open(plain) as picture:
        assert "exif" not in picture.info
    with pytest.raises(RecipeError, match="holds no recipe of taylorseer_ov, and no other text"):
        Recipe.from_picture(plain)


@pytest.mark.parametrize("name", ["x.gif", "x.tif", "x.avif", "x.", "x.png.bak"])
def test_other_endings_are_refused(drawn, name, tmp_path):
    with pytest.raises(ValueError, match=r"pictures end in .png, .jpg, .jpeg, .webp; a folder"):
        drawn.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    (tmp_path / name).mkdir()
    assert format_of(tmp_path / name) is None


def test_formats_that_contradict_or_are_unknown_are_refused(drawn, tmp_path):
    with pytest.raises(ValueError, match=r"x.jpg' is to be 'png', but ends in '.jpg'"):
        drawn.save(tmp_path / "x.jpg", format="png")
    with pytest.raises(ValueError, match="format must be one of png, jpg, webp, got 'gif'"):
        drawn.save(tmp_path, format="gif")
    with pytest.raises(ValueError, match="format must be one of png, jpg, webp, got 'gif'"):
        drawn.encode(format="gif")
    with pytest.raises(ValueError, match="16384x16 pixels is too large for 'webp', which has at"):
        encode(np.zeros((16, 16384, 3), np.uint8), {}, "webp")


@pytest.mark.parametrize("format", ["jpg", "webp"])
@pytest.mark.parametrize("prompt", ["a cat", "", "一只猫 \N{CAT FACE}", "two\nlines"])
def test_other_programs_find_the_parameters_where_they_look(format, prompt):
    texts = TEXTS | {"parameters": f"{prompt}\nSteps: 4, Seed: 42"}
    with Image.open(io.BytesIO(encode(GREY, texts, format))) as picture:
        block = picture.getexif().get_ifd(ExifTags.IFD.Exif)
    comment = block[ExifTags.Base.UserComment]
    assert comment.startswith(b"UNICODE\0")
    assert comment[8:].decode("utf-16-be") == texts["parameters"]
    assert block[ExifTags.Base.ExifVersion] == b"0232"


def write_other(path, comment, little):
    """What other programs write: an Exif block of either byte order."""
    order, mark = ("<", b"II*\0") if little else (">", b"MM\0*")
    block = mark + struct.pack(order + "IHHHIII", 8, 1, 0x8769, 4, 1, 26, 0)
    block += struct.pack(order + "HHHIII", 1, 0x9286, 7, len(comment), 44, 0) + comment
    Image.fromarray(GREY).save(path, exif=b"Exif\0\0" + block)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
@pytest.mark.parametrize("little", [False, True])
@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "ascii", "none"])
def test_texts_of_other_programs_are_shown(suffix, little, encoding, tmp_path):
    text = "a cat\nSteps: 20, Sampler: Euler a"
    prefix = {"ascii": b"ASCII\0\0\0", "none": b""}.get(encoding, b"UNICODE\0")
    comment = prefix + text.encode("ascii" if encoding == "none" else encoding)
    path = tmp_path / f"other{suffix}"
    write_other(path, comment, little)
    with pytest.raises(RecipeError, match=r"but this text: 'a cat\\nSteps: 20, Sampler: Euler a'"):
        Recipe.from_picture(path)


def test_a_long_prompt_is_cut_for_other_programs_in_jpeg_but_not_in_the_recipe(drawn, tmp_path):
    values = json.loads(drawn.recipe.to_json()) | {"prompt": "\N{CAT FACE}" * 60_000}
    recipe = Recipe.from_json(json.dumps(values))
    path = tmp_path / "long.jpg"
    path.write_bytes(encode(GREY, recipe.texts(), "jpg"))
    assert Recipe.from_picture(path) == recipe
    prompt, settings = read_texts(path)["parameters"].split("\n")
    assert set(prompt) == {"\N{CAT FACE}"}
    assert len(prompt) > 10_000
    assert settings == recipe.parameters_text().split("\n")[1]


def test_a_recipe_without_room_is_left_out_with_a_warning(tmp_path):
    noise = random.Random(0).randbytes(70_000).hex()
    texts = {"parameters": "a cat\nSteps: 4", "taylorseer_ov": noise}
    with pytest.warns(RecipeLeftOutWarning, match="too many for a JPEG file; PNG and WebP"):
        jpeg = encode(GREY, texts, "jpg")
    for format, data in (("jpg", jpeg), ("webp", encode(GREY, texts, "webp"))):
        path = tmp_path / f"long.{format}"
        path.write_bytes(data)
        found = read_texts(path)
        assert found.pop("taylorseer_ov", noise) == noise
        assert found == {"parameters": "a cat\nSteps: 4"}
        assert format == "jpg" or "taylorseer_ov" in read_texts(path)


@pytest.mark.parametrize("format", ["png", "jpg", "webp"])
def test_a_recipe_that_would_not_be_read_is_not_written(format, tmp_path):
    texts = {"parameters": "a cat", "taylorseer_ov": " " * (MOST_TEXT + 1)}
    with pytest.warns(RecipeLeftOutWarning, match="whose 1048577 bytes are too many for any file"):
        (tmp_path / "x").write_bytes(encode(GREY, texts, format))
    assert read_texts(tmp_path / "x") == {"parameters": "a cat"}


@pytest.mark.parametrize("format", ["png", "jpg", "webp"])
def test_hostile_files_are_read_or_refused_and_never_decoded(format, tmp_path, monkeypatch):
    """Bits are turned, bytes cut and doubled: texts come back or do not, and that is all."""
    original = encode(GREY, TEXTS, format)
    monkeypatch.setattr(Image, "open", None)
    turns, path = random.Random(1), tmp_path / "hostile"
    for _ in range(1000):
        data = bytearray(original)
        for _ in range(turns.randint(1, 8)):
            place = turns.randrange(8 if format == "png" else 4, len(data))
            match turns.randrange(3):
                case 0:
                    data[place] = turns.choice((0, 1, 0x7F, 0x80, 0xFF, turns.randrange(256)))
                case 1:
                    del data[place : place + turns.randint(1, 9)]
                case 2:
                    data[place:place] = data[place : place + turns.randint(1, 40)]
        path.write_bytes(data)
        with contextlib.suppress(ValueError):  # it is no such file any more
            assert all(isinstance(text, str) for text in read_texts(path).values())


def block_of(note):
    """An Exif block whose maker's note is this."""
    block = exif_block({"taylorseer_ov": ""})
    start = block.index(b"taylorseer_ov\0")
    entry = block.index(b"\x92\x7c")
    size = struct.pack(">I", len(note))
    return block[: entry + 4] + size + block[entry + 8 : start] + note


@pytest.mark.parametrize(
    "block",
    [
        block_of(b"taylorseer_ov\0" + zlib.compress(bytes(50 * MOST_TEXT))),
        block_of(b"taylorseer_ov\0no zlib"),
        block_of(b"taylorseer_ov\0" + zlib.compress(b"\xff\xfe")),
        block_of(b"Nikon\0\2"),
        b"MM\0*\0\0\0\x08\xff\xff" + b"\x92\x86\0\7\xff\xff\xff\xff\0\0\0\0" * 5000,
        b"MM\0*\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\0\1\x87\x69\0\4\0\0\0\1\xff\xff\xff\xff",
        b"II",
        b"",
    ],
    ids=["bomb", "no zlib", "no UTF-8", "camera", "many", "endless", "outside", "short", "empty"],
)
def test_hostile_blocks_hold_no_recipe(block, tmp_path):
    jpeg, webp = tmp_path / "x.jpg", tmp_path / "x.webp"
    body = b"Exif\0\0" + block[:65000]
    jpeg.write_bytes(b"\xff\xd8\xff\xe1" + struct.pack(">H", len(body) + 2) + body)
    chunk = b"EXIF" + struct.pack("<I", len(block)) + block
    webp.write_bytes(b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk)
    for path in (jpeg, webp):
        with pytest.raises(RecipeError, match="holds no recipe"):
            Recipe.from_picture(path)
