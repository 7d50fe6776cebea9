"""Exports of models on the hub: what is downloaded, and what the hub refuses."""

import shutil
from types import SimpleNamespace

import pytest

from taylorseer_ov.cli import main
from taylorseer_ov.export.checkpoint import ExportError
from taylorseer_ov.export.export import export_model
from taylorseer_ov.flux import hub
from tests.export.common import HUB_ID, names, raise_, write_source

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and its friends warn at every import


def hub_error(name: str) -> Exception:
    import httpx
    from huggingface_hub import errors

    response = httpx.Response(403, request=httpx.Request("GET", "https://huggingface.co"))
    return getattr(errors, name)("403 Client Error.\nAccess is restricted.", response=response)


@pytest.mark.export
@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (
            "GatedRepoError",
            f"{HUB_ID} is gated: accept its licence at https://huggingface.co/{HUB_ID}, "
            "then log in with `hf auth login` or set HF_TOKEN",
        ),
        ("RepositoryNotFoundError", "no such public model on the hub; for a private one, log in"),
        ("RevisionNotFoundError", "has no revision 'v9'"),
        ("RemoteEntryNotFoundError", "it has no model_index.json"),
        ("HfHubHTTPError", "the hub cannot be reached (HfHubHTTPError: 403 Client Error.)"),
        (ConnectionError("no route"), "the hub cannot be reached (ConnectionError: no route)"),
    ],
)
def test_what_the_hub_refuses(tmp_path, monkeypatch, capsys, fake_conversion, error, advice):
    failure = hub_error(error) if isinstance(error, str) else error
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *a, **k: raise_(failure))
    assert main(["export", HUB_ID, str(tmp_path / "out"), "--revision", "v9"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert advice in line
    assert names(tmp_path) == []


@pytest.mark.export
def test_without_network_and_cache(tmp_path, monkeypatch, fake_conversion):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ExportError, match=r"cannot be reached .* check the network, HF_ENDPOINT"):
        export_model(HUB_ID, tmp_path / "out", cache_dir=tmp_path / "cache")


@pytest.mark.export
def test_only_what_is_needed_is_downloaded_and_counted(tmp_path, monkeypatch, fake_conversion):
    source = write_source(tmp_path / "snapshot")
    sizes = {
        "model_index.json": 1000,
        "flux1-dev.safetensors": 24_000_000_000,
        "transformer/diffusion_pytorch_model-00001-of-00002.safetensors": 9_000_000_000,
        "transformer/diffusion_pytorch_model-00002-of-00002.safetensors": 1_000_000_000,
        "transformer/diffusion_pytorch_model.fp16.safetensors": 10_000_000_000,
        "image_encoder/model.safetensors": 7_000_000_000,
        "tokenizer/vocab.json": 1000,
    }
    siblings = [SimpleNamespace(rfilename=name, size=size) for name, size in sizes.items()]
    asked = {}

    def snapshot_download(name, **options):
        asked.update(options, name=name)
        return str(source)

    monkeypatch.setattr(
        "huggingface_hub.hf_hub_download", lambda *a, **k: str(source / "model_index.json")
    )
    monkeypatch.setattr(
        "huggingface_hub.HfApi.model_info", lambda *a, **k: SimpleNamespace(siblings=siblings)
    )
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    free = {"bytes": 23_000_000_000}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free["bytes"]))
    request = {"revision": "main", "cache_dir": tmp_path / "cache"}
    # 10 GB to download, of which 2.8 / 2 times as much is needed on top
    with pytest.raises(ExportError, match=r"download .* and to export it .* 24 GB, 23 GB are free"):
        export_model(HUB_ID, tmp_path / "out", **request)
    assert not asked
    free["bytes"] = 25_000_000_000
    lines = []
    export_model(HUB_ID, tmp_path / "out", **request, say=lines.append)
    assert lines[0] == f"downloading {HUB_ID}: 10 GB"
    assert asked["name"] == HUB_ID
    assert asked["revision"] == "main"
    chosen = set(checkpoint_filter(sizes, asked))
    assert {name for name in sizes if name not in chosen} == {
        "flux1-dev.safetensors",
        "transformer/diffusion_pytorch_model.fp16.safetensors",
        "image_encoder/model.safetensors",
    }


def checkpoint_filter(sizes, asked):
    from huggingface_hub.utils import filter_repo_objects

    patterns = {key: asked[key] for key in ("allow_patterns", "ignore_patterns")}
    return filter_repo_objects(sizes, **patterns)


def test_hub_ids():
    assert hub.is_hub_id(HUB_ID)
    for other in ("flux", "./flux/dev", "a/b/c", "/tmp/flux", "../flux", "owner/name with blank"):
        assert not hub.is_hub_id(other)
