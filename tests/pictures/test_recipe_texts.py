"""The texts in a picture: for other programs, from strangers, damaged."""

import contextlib
import json
import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from taylorseer_ov import Recipe, RecipeError
from taylorseer_ov.caching.plan_json import PLAN_FORMAT
from taylorseer_ov.pictures.png import encode_png
from taylorseer_ov.pictures.texts import MOST_TEXT
from tests.common import PROMPT
from tests.pictures.common import pixels

# few steps, for which the demo model has no calibrated plans
pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore::taylorseer_ov.caching.presets.CalibrationWarning"),
]


HERE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def a1111_settings(text):
    """The prompt and the last line's settings, read as AUTOMATIC1111's web UI reads them."""
    *lines, last = text.split("\n")
    found = re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', last)
    return "\n".join(lines), {
        name: json.loads(value) if value.startswith('"') else value for name, value in found
    }


def test_the_text_that_other_programs_read(saved):
    with Image.open(saved) as picture:
        text = picture.info["parameters"]
    digest = Recipe.from_picture(saved).environment.weights["transformer"].split("-")[1]
    assert text == (
        f"{PROMPT}\nSteps: 9, Sampler: Euler, CFG scale: 3.5, Seed: 42, Size: 128x128, "
        f"Model hash: {digest[:10]}, Model: demo_model, Version: taylorseer_ov 0.1.0"
    )


@HERE
@given(prompt=st.text(), name=st.text(min_size=1), seed=st.integers(0, 2**32 - 1))
def test_any_prompt_and_model_name_comes_back(drawn, prompt, name, seed, tmp_path):
    values = json.loads(drawn.recipe.to_json())
    values["prompt"], values["environment"]["model"] = prompt, name
    values["asked"]["rng_seed"] = seed
    recipe = Recipe.from_json(json.dumps(values))
    path = tmp_path / "any.png"
    path.write_bytes(encode_png(np.zeros((2, 2, 3), np.uint8), recipe.texts()))
    assert Recipe.from_picture(path) == recipe
    assert recipe.settings()["prompt"] == prompt
    with Image.open(path) as picture:
        read, found = a1111_settings(picture.info["parameters"])
    if prompt.replace("\n", "").isprintable():
        assert read == prompt
    assert found["Seed"] == str(seed)
    assert found["Size"] == "128x128"


def test_nothing_is_told_without_metadata(drawn, tmp_path):
    (path,) = drawn.save(tmp_path, metadata=False)
    with Image.open(path) as picture:
        assert picture.info == {}
    assert np.array_equal(pixels(path), drawn.data[0])
    with pytest.raises(RecipeError, match="holds no recipe of taylorseer_ov, and no other text"):
        Recipe.from_picture(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def places(value, path=()):
    """All places in a JSON value, as tuples of keys."""
    yield path
    inner = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        inner = enumerate(value[:3])
    for key, item in inner:
        yield from places(item, (*path, key))


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_tampered_recipe_is_read_or_refused_but_does_no_harm(drawn, data):
    values = json.loads(drawn.recipe.to_json())
    *path, last = data.draw(st.sampled_from([place for place in places(values) if place]))
    inside = values
    for key in path:
        inside = inside[key]
    if data.draw(st.booleans()):
        del inside[last]
    else:
        inside[last] = data.draw(JSON)
    with contextlib.suppress(RecipeError):
        recipe = Recipe.from_json(json.dumps(values))
        recipe.parameters_text()
        assert Recipe.from_json(recipe.to_json()).to_json() == recipe.to_json()
        assert isinstance(recipe.settings()["prompt"], str)


@settings(max_examples=100, deadline=None)
@given(text=st.text() | JSON.map(json.dumps))
def test_other_texts_are_no_recipes(text):
    with pytest.raises(RecipeError, match="no recipe"):
        Recipe.from_json(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "taylorseer_ov.Recipe/3"}, "format '3', which .* a newer one wrote it"),
        ({"format": "other/1"}, "its 'format' is not 'taylorseer_ov.Recipe/2'"),
        ({"camera": "x"}, "its recipe must have prompt, asked"),
        ({"index": 1}, "index must be a whole number from 0 to 0, got 1"),
        ({"plan": {"mask": "C" * 10**6}}, "its plan has not 9 steps"),
        ({"plan": {"format": PLAN_FORMAT, "mask": "C" * 9}}, "plan, without rows and sigmas"),
        ({"plan": {"mask": 1}}, "its plan has not 9 steps"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said(drawn, change, message):
    values = json.loads(drawn.recipe.to_json()) | change
    with pytest.raises(RecipeError, match=message):
        Recipe.from_json(json.dumps(values))


def test_a_recipe_names_the_device_of_every_part(drawn):
    values = json.loads(drawn.recipe.to_json())
    del values["environment"]["devices"]["vae"]
    with pytest.raises(RecipeError, match="its devices must have text_encode, denoise, vae"):
        Recipe.from_json(json.dumps(values))


def test_a_recipe_is_bounded(drawn):
    values = json.loads(drawn.recipe.to_json())
    values["asked"]["num_inference_steps"] = 10**9
    with pytest.raises(RecipeError, match="from 1 to 1000"):
        Recipe.from_json(json.dumps(values))
    with pytest.raises(RecipeError, match="no recipe is longer than"):
        Recipe.from_json(" " * (MOST_TEXT + 1))
    with pytest.raises(RecipeError, match="no recipe"):
        Recipe.from_json("[" * 100_000)


def test_pictures_of_other_programs_show_what_they_tell(tmp_path):
    texts = PngInfo()
    texts.add_text("parameters", "a cat\nSteps: 20, Sampler: Euler a")
    path = tmp_path / "other.png"
    Image.new("RGB", (8, 8)).save(path, pnginfo=texts)
    with pytest.raises(RecipeError, match=r"but this text: 'a cat\\nSteps: 20, Sampler: Euler a'"):
        Recipe.from_picture(path)
    path.write_bytes(b"GIF89a")
    with pytest.raises(RecipeError, match=r"other.png is no PNG, JPEG or WebP file"):
        Recipe.from_picture(path)
    with pytest.raises(FileNotFoundError):
        Recipe.from_picture(tmp_path / "nothing.png")


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize(
    "body",
    [
        chunk(b"zTXt", b"taylorseer_ov\0\0" + zlib.compress(bytes(100 * MOST_TEXT))),
        chunk(b"tEXt", b"taylorseer_ov\0" + b" " * (MOST_TEXT + 1)),
        chunk(b"iTXt", b"taylorseer_ov\0\0\0\0\0\xff\xfe"),
        chunk(b"iTXt", b"taylorseer_ov"),
        chunk(b"zTXt", b"taylorseer_ov\0\0no zlib"),
        b"\xff\xff\xff\xfftEXt",
        b"\0\0",
    ],
    ids=["bomb", "long", "no UTF-8", "short", "no zlib", "endless", "cut"],
)
def test_hostile_chunks_are_passed_over(tmp_path, body):
    path = tmp_path / "hostile.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(RecipeError, match="holds no recipe"):
        Recipe.from_picture(path)


def test_compressed_texts_are_read_too(drawn, tmp_path):
    text = drawn.recipe.to_json().encode()
    for kind, head in ((b"zTXt", b"\0"), (b"iTXt", b"\1\0\0\0")):
        path = tmp_path / "compressed.png"
        body = chunk(kind, b"taylorseer_ov\0" + head + zlib.compress(text))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
        assert Recipe.from_picture(path) == drawn.recipe
