"""Pictures of two folders: paired by name, measured, summed up, shown on a page."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from taylorseer_ov.pictures import (
    gmsd,
    pair_likeness,
    pair_pictures,
    pairs_html,
    psnr,
    summarize_pairs,
)

pytestmark = pytest.mark.once

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(0, 256, (48, 64, 3), np.uint8)


def noisy(strength):
    noise = RANDOM.normal(0, strength, PICTURE.shape)
    return np.clip(np.round(PICTURE + noise), 0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path):
    """Two folders with three pairs: one equal, one a little and one much unlike."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    for name, other in (("equal", PICTURE), ("near", noisy(2)), ("far", noisy(40))):
        Image.fromarray(PICTURE).save(first / f"{name}.png")
        Image.fromarray(other).save(second / f"{name}.webp", lossless=True)
    return first, second


def test_pictures_are_paired_by_name_without_suffix(folders):
    first, second = folders
    for path in (first / "alone.jpg", first / "two.png", second / "two.png", second / "two.jpg"):
        Image.fromarray(PICTURE).save(path)
    (first / "notes.txt").write_text("no picture")
    (first / ".hidden.png").write_bytes(b"")
    (first / "folder.png").mkdir()
    found = pair_pictures(*folders)
    assert [(a.name, b.name) for a, b in found.pairs] == [
        (f"{name}.png", f"{name}.webp") for name in ("equal", "far", "near")
    ]
    assert found.left_out == [
        f"{first / 'alone.jpg'} has no partner in {second}",
        f"{second} has two.jpg and two.png: which is meant is not clear",
    ]
    with pytest.raises(ValueError, match=r"there is no picture in .*folder.png' \(.png, .jpg"):
        pair_pictures(first / "folder.png", second)


def test_a_pair_is_measured_as_its_pixels_are(folders):
    first, second = folders
    with Image.open(second / "far.webp") as picture:
        other = np.asarray(picture.convert("RGB"))
    pair = pair_likeness(first / "far.png", second / "far.webp")
    assert (pair.stem, pair.width, pair.height) == ("far", 64, 48)
    assert (pair.psnr_db, pair.gmsd) == (psnr(PICTURE, other), gmsd(PICTURE, other))
    reference = structural_similarity(
        PICTURE,
        other,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert pair.ssim == pytest.approx(reference, rel=1e-9)
    difference = np.abs(PICTURE.astype(int) - other)
    assert pair.mean_difference == pytest.approx(difference.mean())
    assert pair.most_difference == difference.max()
    equal = pair_likeness(first / "equal.png", second / "equal.webp")
    assert (equal.psnr_db, equal.gmsd, equal.most_difference) == (100, 0, 0)
    assert equal.ssim == pytest.approx(1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "differ in size, 64x48 and 32x32 pixels"),
        (b"nonsense", "cannot be read as a picture"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "cannot be read as a picture"),
        ("cut", "cannot be read as a picture"),
    ],
)
def test_what_cannot_be_compared_is_said(folders, data, message):
    first, second = folders
    broken = second / "broken.png"
    if data is None:
        Image.new("RGB", (32, 32)).save(broken)
    elif data == "cut":
        broken.write_bytes((first / "far.png").read_bytes()[:-500])
    else:
        broken.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        pair_likeness(first / "far.png", broken)


def test_the_summary_names_the_worst(folders):
    pairs = [pair_likeness(*files) for files in pair_pictures(*folders).pairs]
    summary = summarize_pairs(pairs)
    assert {row["worst_pair"] for row in summary.values()} == {"far"}
    for measure, percentile in (("psnr_db", 10), ("ssim", 10), ("gmsd", 90)):
        values = [getattr(pair, measure) for pair in pairs]
        assert summary[measure]["mean"] == pytest.approx(np.mean(values))
        assert summary[measure]["worst_tenth"] == pytest.approx(np.percentile(values, percentile))
        assert summary[measure]["worst"] == (min if percentile == 10 else max)(values)


def test_the_page_loads_nothing_and_shows_the_worst_first(folders):
    for folder in folders:
        Image.fromarray(PICTURE).save(folder / "<script>alert(1)<&quot;.png")
    pairs = [pair_likeness(*files) for files in pair_pictures(*folders).pairs]
    html = pairs_html(["a<b", "b"], pairs, ["<img src=x> has no partner"])
    names = re.findall(r"<article><h3>(.*?) <small>", html)
    assert names[:2] == ["far", "near"]
    assert not re.search(r"https?:|<script|<img src=x|a<b", html)
    shown = re.findall(r'src="data:image/webp;base64,(.*?)"', html)
    assert len(shown) == html.count("<img") == 3 * 4
    with Image.open(io.BytesIO(base64.b64decode(shown[0]))) as picture:
        assert picture.size == (64, 48)
    with Image.open(io.BytesIO(base64.b64decode(shown[-1]))) as picture:
        assert np.asarray(picture).max() < 8  # equal pictures: their difference is black
    Image.new("RGB", (16, 16)).save(folders[1] / "far.webp")
    with pytest.raises(ValueError, match="has changed while it was compared"):
        pairs_html(["a", "b"], pairs)


def test_the_page_has_pictures_of_so_many_pairs_and_figures_of_all(folders):
    pairs = [pair_likeness(*files) for files in pair_pictures(*folders).pairs]
    html = pairs_html(["a", "b"], pairs, most=1)
    assert html.count("<article>") == 1
    assert "The 2 pairs that are more alike" in html
    assert re.search(r'<th scope="row">equal</th><td>100.00 dB</td><td>1.0000</td>', html)
