"""Pictures and masks are read from what people have and brought to size, or refused."""

import struct
import threading
import warnings
import zlib

import numpy as np
import openvino as ov
import pytest
from PIL import Image

from taylorseer_ov.arrays import as_tensor
from taylorseer_ov.flux.initial_image import initial_image

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
MASK = np.zeros((32, 48), bool)
MASK[:10, 20:] = True


def read(image, *masks, height=None, width=None):
    return initial_image(image, *masks, height=height, width=width)


@pytest.fixture
def png(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(PIXELS).save(path)
    return path


def test_every_kind_of_picture_is_read(png):
    arrays = (PIXELS, PIXELS[None], ov.Tensor(PIXELS), as_tensor(PIXELS), as_tensor(PIXELS[None]))
    for image in (*arrays, Image.fromarray(PIXELS), png, str(png)):
        initial = read(image)
        assert initial.mask_image is None
        assert initial.size == (32, 48)
        assert np.array_equal(initial.pixels, PIXELS[None])


def test_two_threads_that_read_leave_the_filters_of_warnings_as_they_were(png, monkeypatch):
    """Each of them ignores what its decoder warns of, and the filters are all threads'."""
    opened = Image.open
    first_came, second_came, first_left = (threading.Event() for _ in range(3))

    def open_slowly(path):
        if threading.current_thread() is first:
            first_came.set()
            second_came.wait(0.3)
        else:
            second_came.set()
            first_left.wait(0.3)
        return opened(path)

    def read_first():
        read(png)
        first_left.set()

    monkeypatch.setattr(Image, "open", open_slowly)
    before = list(warnings.filters)
    first = threading.Thread(target=read_first)
    first.start()
    first_came.wait()
    read(png)
    first.join()
    assert warnings.filters == before


def test_every_kind_of_mask_is_read(tmp_path):
    grey = MASK.astype(np.uint8) * 255
    path = tmp_path / "mask.png"
    Image.fromarray(grey).save(path)
    coloured = np.repeat(grey[..., None], 3, axis=2)
    masks = (MASK, grey, grey[..., None], grey[None, ..., None], coloured, coloured[None])
    tensors = (ov.Tensor(grey), as_tensor(grey), as_tensor(MASK))
    for mask in (*masks, *tensors, Image.fromarray(MASK), Image.fromarray(coloured), path):
        assert np.array_equal(read(PIXELS, mask).mask_image, MASK)


def test_a_mask_is_white_from_half_brightness_on():
    grey = np.full((32, 48), 127, np.uint8)
    grey[0, 0] = 128
    assert np.argwhere(read(PIXELS, grey).mask_image).tolist() == [[0, 0]]


def test_other_modes_and_turned_photographs(tmp_path):
    assert read(Image.fromarray(PIXELS).convert("RGBA")).pixels.shape == (1, 32, 48, 3)
    assert read(Image.fromarray(PIXELS[..., 0])).pixels.shape == (1, 32, 48, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    path = tmp_path / "photograph.png"
    Image.fromarray(PIXELS).save(path, exif=exif)
    assert np.array_equal(read(path).pixels[0], np.rot90(PIXELS, -1))


@pytest.mark.parametrize(
    ("own", "given", "size"),
    [
        ((70, 101), (None, None), (64, 96)),
        ((70, 101), (32, None), (32, 96)),
        ((70, 101), (None, 128), (64, 128)),
        ((7, 9), (16, 32), (16, 32)),
        ((16, 31), (None, None), (16, 16)),
    ],
)
def test_the_size_is_the_picture_s_or_what_is_given(own, given, size):
    image, mask = np.zeros((*own, 3), np.uint8), np.ones((5, 5), bool)
    initial = read(image, mask, height=given[0], width=given[1])
    assert initial.size == initial.mask_image.shape == size
    assert initial.mask_image.all()


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (None, TypeError, "image must be a uint8 array, .* got None"),
        ([1, 2], TypeError, "a PIL image or a path, got"),
        (PIXELS / 255, TypeError, "image must be uint8, from 0 to 255, got float64"),
        (PIXELS[..., :2], ValueError, r"shape \(height, width, 3\) .* got \(32, 48, 2\)"),
        (PIXELS[..., 0], ValueError, r"got \(32, 48\)"),
        (np.stack([PIXELS, PIXELS]), ValueError, r"got \(2, 32, 48, 3\)"),
        (PIXELS[:0], ValueError, r"got \(0, 48, 3\)"),
        (PIXELS[:15], ValueError, "image has a height of 15, less than 16 pixels; give height"),
        (PIXELS[:, :5], ValueError, "image has a width of 5"),
        ("nowhere.png", FileNotFoundError, "image: there is no file 'nowhere.png'"),
        (__file__, ValueError, r"image: .*test_initial_image.py' cannot be read as a picture"),
    ],
)
def test_what_is_no_picture(image, error, message):
    with pytest.raises(error, match=message):
        read(image)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (None, TypeError, "mask_image must be a uint8 array, .* got None"),
        (MASK.astype(float), TypeError, "mask_image must be uint8, from 0 to 255, got float64"),
        (Image.new("L", (0, 5)), ValueError, "mask_image is empty: it has 0x5 pixels"),
        (
            np.zeros((32, 48), "datetime64[s]"),
            TypeError,
            "mask_image must be uint8, .* got datetime64",
        ),
        (MASK[0], ValueError, r"mask_image must have the shape .*, or \(height, width\)"),
    ],
)
def test_what_is_no_mask(mask, error, message):
    with pytest.raises(error, match=message):
        read(PIXELS, mask)


def test_a_truncated_file(png):
    png.write_bytes(png.read_bytes()[:-500])
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        read(png)


@pytest.mark.parametrize("dtype", ["uint16", ">u2", "int32"])
def test_grey_of_16_bits_keeps_its_brightness(dtype, tmp_path):
    """PIL cuts it off at 255, which made all of a mask white."""
    bright = np.tile(np.arange(0, 65536, 2048), (32, 1)).astype(dtype)
    source = Image.fromarray(bright)
    expected = np.rint(bright.astype(float) / 257).astype(np.uint8)
    if dtype == "uint16":
        source.save(tmp_path / "grey.tiff")
        source = tmp_path / "grey.tiff"
    given = read(source, source)
    assert np.array_equal(given.pixels[0, ..., 0], expected)
    assert np.array_equal(given.mask_image, expected >= 128)


def test_wide_pixels_of_8_bits_stay_what_they_are():
    grey = np.tile(np.arange(0, 256, 8, dtype=np.int32), (32, 1))
    assert np.array_equal(read(Image.fromarray(grey)).pixels[0, ..., 0], grey)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((32, 32), 0.5, np.float32), "image has fractions for pixels; save it with 8 bits"),
        (np.full((32, 32), 65536, np.int32), "image has pixels of over 16 bits; save it with 8 b"),
        (np.full((32, 32), -1000, np.int32), "image has pixels of over 16 bits; save it with 8 b"),
    ],
)
def test_other_depths(pixels, message):
    with pytest.raises(ValueError, match=message):
        read(Image.fromarray(pixels))


def test_postscript_is_not_run(tmp_path, monkeypatch):
    path = tmp_path / "program.png"
    Image.fromarray(PIXELS).save(path, "EPS")
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(ValueError, match="is PostScript; save it as PNG"):
        read(path)


@pytest.mark.parametrize(
    "content",  # with which PIL raises ValueError and SyntaxError
    [
        b"P6\n40 4\x8b\n255\n",
        b"icns\0\0\0\x39ic07\0\0\0\x31\x89PNG\r\n\x1a\n" + b"\0\0\0\x04\0\0ID" + bytes(21),
    ],
    ids=["PPM", "ICNS"],
)
def test_whatever_a_decoder_raises(content, tmp_path):
    path = tmp_path / "damaged.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"image: .*damaged.png' cannot be read as a picture"):
        read(path)


def png_header(path, width, height):
    """Write the beginning of a PNG file of some size, without its pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(header))
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + header + crc + b"\0\0\0\0IDAT")
    return path


@pytest.mark.parametrize("side", [8001, 13300, 30000])
def test_a_picture_that_is_too_large_is_not_decoded(tmp_path, side):
    """The first is over our own bound, the second one PIL's warning, the third one its error."""
    path = png_header(tmp_path / "large.png", side, side)
    with pytest.raises(ValueError, match=r"image: '.*large.png' has over 64 million pixels; make"):
        read(path)
    with pytest.raises(ValueError, match=r"mask_image: '.*large.png' has over 64 million pixels"):
        read(PIXELS, path)


def test_an_array_that_is_too_large():
    pixels = np.broadcast_to(np.uint8(0), (8001, 8001, 3))
    with pytest.raises(ValueError, match=r"image has over 64 million pixels; .* it has 8001x8001"):
        read(pixels)
