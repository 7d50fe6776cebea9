"""Pictures that can be made again: what they hold, how it is read, what is refused."""

import contextlib
import json
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from taylorseer_ov import (
    CachePlan,
    ErrorControl,
    Recipe,
    RecipeError,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
)
from taylorseer_ov.cli import main
from taylorseer_ov.pictures.names import stem_of
from taylorseer_ov.pictures.png import MOST_TEXT
from taylorseer_ov.pictures.result import encode_png
from tests.common import F32, PROMPT

# few steps, for which the demo model has no calibrated plans
pytestmark = pytest.mark.filterwarnings("ignore::taylorseer_ov.caching.presets.CalibrationWarning")

SHORT = {"num_inference_steps": 3}
STEPS = {"num_inference_steps": 9}
HERE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def drawn(pipeline):
    """A result whose recipe has a plan, made from a preset."""
    return pipeline.generate(PROMPT, cache="fast", **STEPS)


@pytest.fixture
def saved(drawn, tmp_path):
    (path,) = drawn.save(tmp_path)
    return path


# --- the same picture again --------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"rng_seed": 7, "height": 96, "width": 160, "guidance_scale": 2.25},
        {"prompt_2": "a small white star on black", "max_sequence_length": 16},
        {"cache": TaylorSeerCacheConfig(3, 2, -1)},
        {"cache": TaylorSeerCacheConfig(3, 2, -1, max_order=2, abscissa="sigma", corrector=True)},
        {"cache": "fast"},
        {"cache": ErrorControl(0.01)},
        {"cache": CachePlan.uncached(9)},
        {"num_images_per_prompt": 2, "rng_seed": 5},
    ],
    ids=str,
)
def test_a_picture_is_made_again_bit_for_bit(pipeline, asked, tmp_path):
    result = pipeline.generate(PROMPT, **(STEPS | asked))
    paths = result.save(tmp_path)
    assert len(paths) == asked.get("num_images_per_prompt", 1)
    for path in paths:
        recipe = Recipe.from_picture(path)
        assert recipe.differences(pipeline) == []
        again = pipeline.generate(**recipe.settings())
        assert np.array_equal(again.data[recipe.index], pixels(path))
        assert again.report.schedule == result.report.schedule


@pytest.mark.native
def test_a_native_picture_is_made_again_by_the_native_backend(tmp_path):
    native = Text2ImagePipeline(demo_model_path(), backend="native", **F32)
    fresh = Text2ImagePipeline(demo_model_path(), **F32)
    for cache in (None, TaylorSeerCacheConfig(3, 2, -1)):
        (path,) = native.generate(PROMPT, cache=cache, **STEPS).save(tmp_path)
        recipe = Recipe.from_picture(path)
        assert recipe.environment.backend == "native"
        assert recipe.differences(fresh) == []
        again = fresh.generate(**recipe.settings())
        assert again.report.backend == "native"
        assert np.array_equal(again.data[0], pixels(path))


def test_a_plan_is_followed_when_its_file_is_gone_and_paths_stay_private(pipeline, tmp_path):
    plan = CachePlan.from_mask("CC..C..CC", pipeline.sigmas(**STEPS), corrector=True)
    secret = tmp_path / "somebody"
    secret.mkdir()
    file = secret / "plan.json"
    file.write_text(plan.to_json())
    located = Text2ImagePipeline(
        demo_model_path(), backend="python", CACHE_DIR=str(secret), CPU_RUNTIME="a\\b", **F32
    )
    job = located.prepare(PROMPT, cache=str(file), **STEPS)
    assert located.environment(job).properties == F32
    result = pipeline.generate(PROMPT, cache=str(file), **STEPS)
    file.unlink()
    (path,) = result.save(tmp_path)
    recipe = Recipe.from_picture(path)
    assert recipe.settings()["cache"] == plan
    assert recipe.asked.cache == "plan.json"
    assert b"somebody" not in path.read_bytes()


def test_what_only_the_caller_has_cannot_be_made_again(pipeline, tmp_path):
    class Noise:
        def randn_tensor(self, shape):
            return np.zeros(tuple(shape))

    class Policy:
        def start(self, velocity, sigmas):
            return ErrorControl().start(velocity, sigmas)

    for index, asked in enumerate(({"generator": Noise()}, {"cache": Policy()})):
        (path,) = pipeline.generate(PROMPT, **SHORT, **asked).save(tmp_path / str(index))
        recipe = Recipe.from_picture(path)
        with pytest.raises(RecipeError, match=r"of the caller's.* it cannot be drawn again"):
            recipe.settings()
        assert "cannot be drawn here" in recipe.differences(pipeline)[0]
    assert sorted(path.name.rpartition("background")[2] for path in tmp_path.glob("*/*.png")) == [
        "_own-noise.png",
        "_seed42.png",
    ]


def test_an_interrupted_picture_says_so(pipeline, tmp_path):
    result = pipeline.generate(PROMPT, callback=lambda step, *_: step == 1, **STEPS)
    (path,) = result.save(tmp_path)
    assert path.name == "a-large-red-circle-on-a-blue-background_seed42_interrupted.png"
    recipe = Recipe.from_picture(path)
    assert recipe.interrupted
    assert "stopped before its last step" in recipe.differences(pipeline)[0]


# --- what differs ------------------------------------------------------------------------------


def test_differences_are_named(drawn, model_copy):
    weights = model_copy / "transformer" / "openvino_model.bin"
    with weights.open("r+b") as file:
        file.write(b"\1\2\3\4")
    (model_copy / "cache_plans.json").unlink()
    other = Text2ImagePipeline(model_copy, "AUTO:CPU", backend="python", vae_tiling=True)
    other.reshape(1, 128, 128, 3.5)
    assert drawn.recipe.differences(other) == [
        "the weights of the transformer are not those of its model, 'demo_model'",
        "denoise ran on CPU, here on AUTO:CPU",
        "text_encode ran on CPU, here on AUTO:CPU",
        "vae ran on CPU, here on AUTO:CPU",
        "AUTO:CPU was not set, here it is AUTO:CPU",
        f"CPU was {drawn.recipe.environment.processors['CPU']}, here it is not set",
        "INFERENCE_PRECISION_HINT was f32, here it is not set",
        "a pipeline reshaped to one size: no then, yes here",
        "decoding in tiles: no then, yes here",
    ]
    other.reshape(1, 64, 64, 3.5)
    assert "reshaped to one size" in drawn.recipe.differences(other)[0]


def test_differences_of_versions(drawn, pipeline):
    values = json.loads(drawn.recipe.to_json())
    values["environment"]["versions"]["openvino"] = "2025.4.0"
    values["environment"]["backend"] = "native"
    older = Recipe.from_json(json.dumps(values))
    here = drawn.recipe.environment.versions["openvino"]
    assert older.differences(pipeline) == [
        "it was drawn by the native backend, here the python backend would draw",
        f"openvino was 2025.4.0, here it is {here}",
    ]


# --- the texts ---------------------------------------------------------------------------------


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
    path.write_bytes(encode_png(np.zeros((2, 2, 3), np.uint8), recipe))
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


# --- strangers' files --------------------------------------------------------------------------

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
        ({"format": "taylorseer_ov.Recipe/2"}, "format '2', which .* a newer one wrote it"),
        ({"format": "other/1"}, "its 'format' is not 'taylorseer_ov.Recipe/1'"),
        ({"camera": "x"}, "its recipe must have prompt, asked"),
        ({"index": 1}, "index must be a whole number from 0 to 0, got 1"),
        ({"plan": {"mask": "C" * 10**6}}, "its plan has not 9 steps"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said(drawn, change, message):
    values = json.loads(drawn.recipe.to_json()) | change
    with pytest.raises(RecipeError, match=message):
        Recipe.from_json(json.dumps(values))


def test_a_recipe_is_bounded(drawn):
    values = json.loads(drawn.recipe.to_json())
    values["asked"]["num_inference_steps"] = 10**9
    with pytest.raises(RecipeError, match="from 1 to 2000"):
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
    with pytest.raises(RecipeError, match=r"other.png is no PNG file"):
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


# --- files and names ---------------------------------------------------------------------------

WINDOWS = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.I)


@settings(max_examples=300, deadline=None)
@given(prompt=st.text(), seed=st.none() | st.integers(0, 2**32 - 1))
def test_names_are_safe_for_any_prompt(prompt, seed):
    name = stem_of(prompt, seed) + "_12of34-999.png"
    assert Path(name).name == name
    assert len(name.encode()) < 200
    assert name[0] not in ".-_ "
    assert name.isprintable() or prompt  # combining marks and the like only from the prompt
    assert not re.search(r'[\\/:*?"<>|\x00-\x1f]', name)
    assert not WINDOWS.match(name)
    assert not WINDOWS.match(stem_of(prompt, seed))


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A red circle!", "a-red-circle_seed42"),
        ("../../etc/passwd\0", "etc-passwd_seed42"),
        ("CON", "con_seed42"),
        ("", "picture_seed42"),
        ("一只猫", "一只猫_seed42"),
        ("हिन्दी", "हिन्दी_seed42"),
        ("x" * 500, "x" * 80 + "_seed42"),
    ],
)
def test_names_of_prompts(prompt, name):
    assert stem_of(prompt, 42) == name


def test_nothing_is_overwritten(drawn, tmp_path):
    first, second = drawn.save(tmp_path)[0], drawn.save(tmp_path)[0]
    assert second.name == first.stem + "-2.png"
    mine = tmp_path / "mine.PNG"
    mine.write_text("mine")
    (third,) = drawn.save(mine)
    assert (mine.read_text(), third.name) == ("mine", "mine-2.PNG")
    (tmp_path / "mine-3.PNG").symlink_to(tmp_path / "nowhere")
    assert drawn.save(mine)[0].name == "mine-4.PNG"
    (deep,) = drawn.save(tmp_path / "a" / "b")
    assert deep.parent == tmp_path / "a" / "b"
    with pytest.raises(ValueError, match=r"'x.jpg' must end in .png, or be a folder"):
        drawn.save("x.jpg")
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_overwritten_without_hard_links(drawn, tmp_path, monkeypatch):
    def link(source, target):
        raise PermissionError(1, "no hard links here")

    monkeypatch.setattr("os.link", link)
    (first,) = drawn.save(tmp_path)
    assert Recipe.from_picture(first) == drawn.recipe
    (tmp_path / "taken.png").write_text("mine")
    # the name is taken between the look and the writing
    monkeypatch.setattr("os.path.lexists", lambda path: False)
    (second,) = drawn.save(tmp_path / "taken.png")
    assert second.name == "taken-2.png"
    assert (tmp_path / "taken.png").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        first.name,
        "taken-2.png",
        "taken.png",
    ]


# --- the command -------------------------------------------------------------------------------


def test_info_tells_how_a_picture_was_made(saved, drawn, capsys):
    assert main(["info", str(saved)]) == 0
    told = capsys.readouterr().out
    assert f"prompt      {PROMPT}" in told
    assert f"schedule    {drawn.report.schedule}" in told
    assert "cache       fast" in told
    assert main(["info", str(saved), "--json"]) == 0
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert Recipe.from_json(json.dumps(event["recipe"])) == drawn.recipe


def test_info_shows_control_characters_instead_of_sending_them(drawn, tmp_path, capsys):
    values = json.loads(drawn.recipe.to_json()) | {"prompt": "\x1b]0;owned\x07\nprompt  fake"}
    path = tmp_path / "hostile.png"
    path.write_bytes(encode_png(drawn.data[0], Recipe.from_json(json.dumps(values))))
    assert main(["info", str(path)]) == 0
    assert "prompt      \\x1b]0;owned\\x07\\nprompt  fake\n" in capsys.readouterr().out


def test_info_tells_what_a_model_is(model_copy, capsys):
    assert main(["info", str(model_copy)]) == 0
    told = capsys.readouterr().out
    assert "FluxPipeline, with a guidance scale" in told
    assert re.search(r"transformer +7\.8 MB +f16 100%", told)
    assert "28 steps,  8 runs  C.C..C" in told
    assert main(["info", "demo", "--json"]) == 0
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    stated = sum(event["parts"]["transformer"]["precisions"].values())
    present = (model_copy / "transformer" / "openvino_model.bin").stat().st_size
    assert stated == pytest.approx(present, rel=1e-5)
    (model_copy / "cache_plans.json").write_text("{}")
    assert main(["info", str(model_copy)]) == 0
    assert "has no calibrated plans of a known format" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "message"), [("nowhere", "there is no 'nowhere'"), (".", "is not a Flux export")]
)
def test_info_about_nothing_is_misuse(path, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["info", path]) == 2
    assert message in capsys.readouterr().err
