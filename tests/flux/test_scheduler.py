"""The scheduler that people name by its file."""

import json

import pytest

from taylorseer_ov import ModelFolderError, Scheduler, demo_model_path
from taylorseer_ov.flux.folder import FluxFolder

DEMO = demo_model_path() / "scheduler" / "scheduler_config.json"


@pytest.fixture
def write(tmp_path):
    """Write the demo's scheduler file with some values changed, and return its path."""

    def write(**changes):
        path = tmp_path / "scheduler_config.json"
        path.write_text(json.dumps(json.loads(DEMO.read_text()) | changes))
        return path

    return write


def test_it_has_the_noise_levels_of_its_folder():
    scheduler = Scheduler.from_config(str(DEMO))
    assert scheduler.noise_levels == FluxFolder.read(demo_model_path()).noise_levels
    assert scheduler.config == json.loads(DEMO.read_text())
    assert scheduler == Scheduler.from_config(DEMO, scheduler_type=Scheduler.Type.AUTO)


def test_a_kind_that_is_named_goes_before_the_one_in_the_file(write):
    path = write(_class_name="EulerDiscreteScheduler", shift=2.5)
    with pytest.raises(
        ModelFolderError, match=r"scheduler_config.json: .*'EulerDiscreteScheduler'"
    ):
        Scheduler.from_config(path)
    named = Scheduler.from_config(path, Scheduler.Type.FLOW_MATCH_EULER_DISCRETE)
    assert named.noise_levels.shift == 2.5


@pytest.mark.parametrize("name", ["DDIM", "LCM", "PNDM", "LMS_DISCRETE"])
def test_kinds_that_flux_is_not_sampled_with_are_refused(name):
    with pytest.raises(ValueError, match=r"only with FLOW_MATCH.*use openvino_genai.Scheduler"):
        Scheduler.from_config(DEMO, Scheduler.Type[name])


@pytest.mark.parametrize("kind", ["AUTO", 4, None])
def test_a_type_that_is_none(kind):
    with pytest.raises(TypeError, match=r"one of Scheduler.Type.AUTO, .*; got"):
        Scheduler.from_config(DEMO, kind)


def test_files_that_are_none(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"a folder; give the scheduler_config.json"):
        Scheduler.from_config(DEMO.parent)
    with pytest.raises(FileNotFoundError, match=r"no scheduler file 'nowhere.json'"):
        Scheduler.from_config("nowhere.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(ModelFolderError, match="not valid JSON"):
        Scheduler.from_config(broken)
    with pytest.raises(ModelFolderError, match=r"scheduler_config.json: .*shift must be a number"):
        Scheduler.from_config(write(shift="high"))


@pytest.mark.native
def test_its_kinds_are_those_of_openvino_genai():
    import openvino_genai

    native = openvino_genai.Scheduler.Type.__members__
    assert {name: int(kind) for name, kind in native.items()} == dict(Scheduler.Type.__members__)


@pytest.mark.native
def test_it_becomes_one_of_openvino_genai(write):
    import openvino_genai

    path = write(_class_name="other", time_shift_type="exponential")
    named = Scheduler.from_config(path, Scheduler.Type.FLOW_MATCH_EULER_DISCRETE)
    assert isinstance(named.to_native(), openvino_genai.Scheduler)
