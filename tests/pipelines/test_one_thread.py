"""With one thread text encoders are compiled in float32: in bfloat16 on AMX the process would die.

Here no processor with AMX is asked for: what counts is what the encoders are compiled with, and
that a process with one thread draws.
"""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial

import openvino as ov
import pytest

from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.doctor.diagnosis import diagnose
from taylorseer_ov.flux import one_thread
from taylorseer_ov.flux.part_models import T5EncoderModel
from tests.doctor.common import CPU, found, machine

# what compiled the encoders and the transformer, whoever did it, and how the process ends
CHILD = """
import json, os, sys
backend, affinity, properties = json.loads(sys.argv[1])
if affinity:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from taylorseer_ov import Text2ImagePipeline
from taylorseer_ov.flux import parts
from taylorseer_ov.pipelines import native_models
seen = {}

compile_part = parts.Place.compile
def compile_seen(place, model):
    name = "t5" if len(model.inputs) == 1 and "input_ids" in model.input(0).names else "other"
    seen[name] = dict(place.properties)
    return compile_part(place, model)
parts.Place.compile = compile_seen

if backend == "native":
    genai = native_models.import_openvino_genai()
    def watch(kind, name):
        class Watched(getattr(genai, kind)):
            def compile(self, device, **properties):
                seen[name] = properties
                super().compile(device, **properties)
        setattr(genai, kind, Watched)
    watch("T5EncoderModel", "t5")
    watch("FluxTransformer2DModel", "other")

with Text2ImagePipeline("demo", backend=backend, **properties) as pipeline:
    size = {"width": 64, "height": 64, "num_inference_steps": 1}
    result = pipeline.generate("a large red circle", **size)
    drawn_by = result.recipe.environment.properties
print(json.dumps([seen, dict(drawn_by)]))
"""
IN_BFLOAT16 = str(ov.Core().get_property("CPU", "INFERENCE_PRECISION_HINT")) == str(ov.Type.bf16)
RECORDED = "INFERENCE_PRECISION_HINT of the text encoders"


@pytest.fixture
def drawn_in_a_process(compiled):
    return partial(draw_in_a_process, CACHE_DIR=str(compiled))


def draw_in_a_process(backend, *, affinity=False, **properties):
    """What the encoders and the transformer were compiled with, and what the recipe says."""
    asked = json.dumps([backend, affinity, properties])
    done = subprocess.run([sys.executable, "-c", CHILD, asked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen, drawn_by = json.loads(done.stdout.splitlines()[-1])
    return seen, drawn_by


def precise(properties):
    return properties.get("INFERENCE_PRECISION_HINT")


BACKENDS = ["python", pytest.param("native", marks=pytest.mark.native)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_thread_asked_for(backend, drawn_in_a_process):
    """Only the encoders change, and a picture's recipe says so."""
    seen, drawn_by = drawn_in_a_process(backend, INFERENCE_NUM_THREADS=1)
    assert precise(seen["t5"]) == ("f32" if IN_BFLOAT16 else None)
    assert precise(seen["other"]) is None
    assert drawn_by.get(RECORDED) == ("f32" if IN_BFLOAT16 else None)


@pytest.mark.posix
@pytest.mark.parametrize("backend", BACKENDS)
def test_one_processor_left(backend, drawn_in_a_process):
    """As `taskset -c 0` leaves it."""
    seen, drawn_by = drawn_in_a_process(backend, affinity=True)
    assert precise(seen["t5"]) == ("f32" if IN_BFLOAT16 else None)
    assert drawn_by.get(RECORDED) == ("f32" if IN_BFLOAT16 else None)


@pytest.mark.parametrize(
    ("device", "properties", "expected"),
    [
        ("CPU", {}, False),
        ("CPU", {"INFERENCE_NUM_THREADS": 1}, True),
        ("AUTO:GPU,-CPU", {"INFERENCE_NUM_THREADS": 1}, True),
        ("AUTO", {"INFERENCE_NUM_THREADS": 1}, True),
        ("GPU", {"INFERENCE_NUM_THREADS": 1}, False),
        ("CPU", {"INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 2}, True),
        ("CPU", {"INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 1}, False),
        ("CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}, False),
        ("CPU", {"INFERENCE_NUM_THREADS": 1, "EXECUTION_MODE_HINT": "ACCURACY"}, False),
    ],
)
def test_where_one_thread_is_to_be_expected(monkeypatch, device, properties, expected):
    monkeypatch.setattr(one_thread, "usable_processors", lambda: 4)
    found = one_thread.computes_in_one_thread(device, properties)
    assert found == (expected and IN_BFLOAT16)


def test_a_containers_quota_of_time_counts(tmp_path):
    assert one_thread._quota(tmp_path) == float("inf")
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    for quota, processors in (("-1", float("inf")), ("100000", 1)):
        (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
        assert one_thread._quota(tmp_path) == processors
    for quota, processors in (("max 100000", 1), ("150000 100000", 1.5)):
        (tmp_path / "cpu.max").write_text(quota + "\n")
        assert one_thread._quota(tmp_path) == processors


@pytest.mark.parametrize("properties", [{"INFERENCE_PRECISION_HINT": "bf16"}, {"adapters": 1}])
def test_what_cannot_be_in_float32_is_refused(monkeypatch, properties):
    monkeypatch.setattr(one_thread, "computes_in_one_thread", lambda device, given: True)
    with pytest.raises(ValueError, match=r"ends the process on .* AMX; give .*='f32', or two"):
        one_thread.encoder_properties("CPU", properties)
    if "adapters" not in properties:
        with pytest.raises(ValueError, match="text encoders have one thread here"):
            Text2ImagePipeline(demo_model_path(), backend="python", lazy=True, **properties)


def test_the_doctor_says_it():
    in_bfloat16 = replace(CPU, precision="bf16")
    (finding,) = [
        finding
        for finding in diagnose(machine=replace(machine(in_bfloat16), one_thread=True)).findings
        if "one thread" in finding.text
    ]
    assert finding.status == "warning"
    assert "compiled in float32" in finding.text
    assert "two processors" in finding.remedy


def test_multi_is_refused():
    """It gives the processor's requests one thread each."""
    with pytest.raises(ValueError, match=r"'MULTI:CPU' is not used: .*; say 'CPU', or AUTO:CPU"):
        Text2ImagePipeline(demo_model_path(), "multi:cpu")
    with pytest.raises(ValueError, match="bfloat16 on AMX ends the process"):
        T5EncoderModel(demo_model_path() / "text_encoder_2", "MULTI:CPU")
    finding = found(diagnose(device="multi:CPU", machine=machine()), "device asked for")
    assert (finding.status, finding.remedy) == ("problem", "say 'CPU', or AUTO:CPU")


@pytest.mark.posix
def test_a_thread_that_is_bound_to_a_processor_does_not_make_it_the_only_one():
    """As OpenVINO of 2025 binds the thread that runs a model."""
    usable, counted = one_thread.usable_processors(), []

    def count():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        counted.append(one_thread.usable_processors())

    thread = threading.Thread(target=count)
    thread.start()
    thread.join()
    assert counted == [usable]
