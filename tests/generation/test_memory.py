"""The memory a generation needs, and what there is."""

import os
import subprocess
import sys

import pytest

from taylorseer_ov import MemoryWarning, Text2ImagePipeline, demo_model_path
from taylorseer_ov.flux.devices import has_own_memory, precision_bits
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.generation.memory import (
    BASE_BYTES,
    PARTS,
    available_bytes,
    estimate,
    linux_available_bytes,
    memory_warning,
)
from taylorseer_ov.generation.settings import ImageGenerationConfig
from taylorseer_ov.generation.setup import MemoryOptions
from tests.common import PROMPT

FOLDER = FluxFolder.read(demo_model_path())
LARGE = ImageGenerationConfig(max_sequence_length=32)  # 1024x1024
SMALL = ImageGenerationConfig(max_sequence_length=32, height=128, width=128)
WHOLE = MemoryOptions()
FRUGAL = MemoryOptions(low_memory=True)


def test_float16_weights_double_in_float32():
    stored = sum((demo_model_path() / part / "openvino_model.bin").stat().st_size for part in PARTS)
    nothing = ImageGenerationConfig(max_sequence_length=1, height=16, width=16)
    for bits, factor in ((16, 1), (32, 2)):
        parts = estimate(FOLDER, MemoryOptions(), nothing, bits).parts
        # a small share of the constants are indices, and of float32
        assert sum(parts.values()) == pytest.approx(factor * stored, rel=0.1)


def test_the_peak_is_the_sum_of_the_parts_or_the_largest():
    whole = estimate(FOLDER, MemoryOptions(), LARGE)
    assert whole.peak_bytes == BASE_BYTES + sum(whole.parts.values())
    assert tuple(whole.parts) == PARTS
    frugal = estimate(FOLDER, FRUGAL, LARGE)
    assert frugal.peak_bytes == BASE_BYTES + max(frugal.parts.values())
    # compiled for one size, the transformer keeps the activations of one block
    assert frugal.parts["transformer"] < whole.parts["transformer"] / 3
    assert frugal.parts["vae_decoder"] == whole.parts["vae_decoder"]


def test_streams_have_activations_of_their_own_and_no_weights():
    nothing = ImageGenerationConfig(max_sequence_length=1, height=16, width=16)
    sizes = {}
    for streams in (1, 2, 3):
        options = MemoryOptions(streams=streams)
        large, small = (estimate(FOLDER, options, s).parts for s in (LARGE, nothing))
        sizes[streams] = large["transformer"] - small["transformer"]
        assert large["vae_decoder"] == estimate(FOLDER, WHOLE, LARGE).parts["vae_decoder"]
    assert sizes[3] == pytest.approx(3 * sizes[1])
    assert sizes[2] == pytest.approx(2 * sizes[1])
    # the advice is one stream first
    one, two = (estimate(FOLDER, o, LARGE).peak_bytes for o in (WHOLE, MemoryOptions(streams=2)))
    warning = memory_warning(FOLDER, MemoryOptions(streams=2), LARGE, 32, (one + two) // 2)
    assert "streams=1 would take about" in warning


def test_activations_grow_with_the_picture_and_tiles_bound_them():
    tiling = MemoryOptions(vae_tiling=True)
    sizes = [estimate(FOLDER, MemoryOptions(), s).parts["vae_decoder"] for s in (SMALL, LARGE)]
    assert sizes[1] > 20 * sizes[0]
    tiled = [estimate(FOLDER, tiling, s).parts["vae_decoder"] for s in (SMALL, LARGE)]
    assert tiled[0] == sizes[0]
    assert tiled[1] < sizes[1] / 3


def test_enough_memory_is_no_warning_and_too_little_names_what_helps():
    def warning(free_bytes, options=WHOLE):
        return memory_warning(FOLDER, options, LARGE, 32, free_bytes)

    tiling = MemoryOptions(low_memory=True, vae_tiling=True)
    peaks = [estimate(FOLDER, o, LARGE).peak_bytes for o in (WHOLE, FRUGAL, tiling)]
    assert peaks == sorted(peaks, reverse=True)
    assert len(set(peaks)) == 3
    assert warning(peaks[0]) is None
    needed = f"about {peaks[0] / 2**30:.1f} GiB of memory"
    assert needed in warning(peaks[0] - 1)
    assert "; low_memory=True would take about" in warning(peaks[1])
    assert "; low_memory=True and vae_tiling=True would take about" in warning(peaks[1] - 1)
    assert "export the model with --weight-format int8 or int4" in warning(peaks[2] - 1)


def test_the_pipeline_warns_before_loading(monkeypatch):
    monkeypatch.setattr("taylorseer_ov.pipelines.backends.available_bytes", lambda: 10**6)
    scarce = Text2ImagePipeline(demo_model_path(), backend="python")
    with pytest.warns(MemoryWarning, match="and 0.0 GiB are free") as caught:
        scarce.generate(PROMPT, num_inference_steps=1)
    assert caught[0].filename == __file__
    # what is loaded is loaded
    scarce.generate(PROMPT, num_inference_steps=1)
    monkeypatch.setattr("taylorseer_ov.pipelines.backends.available_bytes", lambda: None)
    scarce.compile("CPU")


def test_devices_tell_their_precision():
    assert precision_bits("CPU", {"INFERENCE_PRECISION_HINT": "f32"}) == 32
    assert precision_bits("CPU", {"INFERENCE_PRECISION_HINT": "bf16"}) == 16
    assert precision_bits("CPU", {}) in (16, 32)
    assert precision_bits("no device", {}) == 32
    assert not has_own_memory("CPU")
    assert not has_own_memory("no device")


# --- what there is ---


def test_this_system_s_memory_is_known_and_not_more_than_all():
    free = available_bytes()
    assert free is not None
    assert free > 2**20
    if sys.platform == "linux":
        with open("/proc/meminfo") as lines:
            assert free <= int(next(lines).split()[1]) * 1024


def linux(root, groups, files):
    """Write the files that Linux would show."""
    files = files | {
        "proc/meminfo": "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable: 8000 kB\nHugePages: 0\n",
        "proc/self/cgroup": groups,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return linux_available_bytes(root)


def test_without_limits_it_is_what_linux_says(tmp_path):
    assert linux(tmp_path, "0::/\n", {}) == 8000 * 1024


@pytest.mark.parametrize("group", ["/", "/docker/12ab", "/../outside/what/is/seen"])
def test_a_container_s_limit_counts_and_files_that_were_read_do_not(tmp_path, group):
    files = {
        "sys/fs/cgroup/memory.max": "1000000\n",
        "sys/fs/cgroup/memory.current": "700000\n",
        "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 200000\n",
    }
    assert linux(tmp_path, f"0::{group}\n", files) == 500000


def test_the_tightest_of_nested_groups_counts(tmp_path):
    files = {}
    for folder, limit in (("a", "900000"), ("a/b", "max"), ("a/b/c", "800000")):
        files |= {
            f"sys/fs/cgroup/{folder}/memory.max": limit,
            f"sys/fs/cgroup/{folder}/memory.current": "850000",
            f"sys/fs/cgroup/{folder}/memory.stat": "inactive_file 0",
        }
    assert linux(tmp_path, "0::/a/b/c\n", files) == 0
    assert linux(tmp_path, "0::/a/b\n", files) == 50000


def test_the_older_control_groups_are_read_too(tmp_path):
    files = {
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "300000\n",
        "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "100000\n",
        "sys/fs/cgroup/memory/job/memory.stat": "inactive_file 0\n",
    }
    assert linux(tmp_path, "5:cpu,memory:/job\n4:pids:/job\n", files) == 200000


# --- what is really taken ---

DECODE = """
import sys
import numpy as np
import openvino as ov
from scripts.benchmarks.measuring import peak_memory_mib
from taylorseer_ov import demo_model_path
from taylorseer_ov.flux.vae import VaeDecoder
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.flux.parts import Place
from taylorseer_ov.flux.tiled_vae import TiledVaeDecoder

part = {"whole": VaeDecoder, "tiled": TiledVaeDecoder}[sys.argv[1]]
folder = FluxFolder.read(demo_model_path())
decoder = part(folder, Place(ov.Core(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}))
decoder.compile()
before = peak_memory_mib()
decoder(np.zeros((1, 16, 128, 128), np.float32))
print(peak_memory_mib() - before if before else "unknown")
"""


def test_tiles_take_half_the_memory_at_most():
    taken = [
        subprocess.run(
            [sys.executable, "-c", DECODE, way],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout.strip()
        for way in ("whole", "tiled")
    ]
    if "unknown" not in taken:  # Windows does not tell
        whole, tiled = map(float, taken)
        assert tiled < whole / 2
        expected = estimate(FOLDER, MemoryOptions(), LARGE).parts["vae_decoder"] / 2**20
        assert whole == pytest.approx(expected, rel=0.5)
