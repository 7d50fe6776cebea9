"""A program of the samples' shape, run with either package by its name."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from tests.same_as_native.common import PROMPT

pytestmark = pytest.mark.native

PROGRAM = """
    import argparse
    import importlib
    import time

    from PIL import Image

    parser = argparse.ArgumentParser()
    for name in ("package", "model", "prompt", "compiled"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    genai = importlib.import_module(arguments.package)

    print("version", genai.get_version().split("-")[0])
    options = {"INFERENCE_PRECISION_HINT": "f32", "CACHE_DIR": arguments.compiled}
    pipeline = genai.Text2ImagePipeline(arguments.model, "CPU", **options)

    settings = pipeline.get_generation_config()
    settings.width = 128
    settings.height = 112
    settings.num_inference_steps = 24
    settings.max_sequence_length = 32
    settings.rng_seed = 5
    settings.taylorseer_config = None
    pipeline.set_generation_config(settings)

    seconds = []


    def draw(path):
        started = time.time()
        drawn = pipeline.generate(arguments.prompt)
        seconds.append(time.time() - started)
        Image.fromarray(drawn.data[0]).save(path)


    draw("plain.png")

    caching = genai.TaylorSeerCacheConfig()
    caching.cache_interval = 4
    caching.disable_cache_before_step = 4
    settings.taylorseer_config = caching
    pipeline.set_generation_config(settings)

    draw("cached.png")

    print("speedup", seconds[0] / seconds[1])
"""


def test_its_pictures(genai, model, properties, same, tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "program.py", genai.__name__, model, PROMPT, properties["CACHE_DIR"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert float(ran.stdout.split()[-1]) > 0  # how much it is, the machine decides
    plain, cached = (np.array(Image.open(tmp_path / f"{n}.png")) for n in ("plain", "cached"))
    same.within_a_level(plain)
    same.within_a_level(cached)
    assert not np.array_equal(plain, cached)
