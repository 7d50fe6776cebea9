"""A model by its name on the hub, downloaded from a server that stands in for the hub."""

import hashlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from taylorseer_ov import demo_model_path
from taylorseer_ov.cli import main
from taylorseer_ov.export.hub import is_hub_id
from tests.common import PROMPT

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_names_on_the_hub():
    assert is_hub_id("OpenVINO/FLUX.1-schnell-int4-ov")
    for other in ("demo", "./models/flux", "../flux", "/models/flux", "a/b/c", "owner/a name"):
        assert not is_hub_id(other)


def test_without_huggingface_hub_the_error_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["generate", "OpenVINO/FLUX.1-schnell-int4-ov", PROMPT]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no folder 'OpenVINO/FLUX.1-schnell-int4-ov' here" in line
    assert "pip install huggingface_hub" in line


@pytest.fixture
def hub_server(tmp_path, monkeypatch):
    """Serve the folders named in the returned dictionary, by hub id, as the hub does."""
    models: dict[str, Path | int] = {}

    class Hub(BaseHTTPRequestHandler):
        def answer(self, status, content=b"", **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def do_GET(self):
            words = self.path.strip("/").split("/")
            listing = words[:2] == ["api", "models"]
            name = "/".join(words[2:4] if listing else words[:2])
            folder = models.get(name, 404)
            if isinstance(folder, int):
                code = {401: "GatedRepo", 404: "RepoNotFound"}.get(folder, "")
                return self.answer(folder, X_Error_Code=code, X_Error_Message=code)
            if listing:
                files = [path for path in folder.rglob("*") if path.is_file()]
                names = [str(path.relative_to(folder)) for path in files]
                if "tree" in words:
                    answer = [
                        {"type": "file", "path": file, "size": path.stat().st_size, "oid": "0"}
                        for file, path in zip(names, files, strict=True)
                    ]
                else:
                    siblings = [{"rfilename": file} for file in names]
                    answer = {"id": name, "sha": COMMIT, "siblings": siblings}
                content = json.dumps(answer).encode()
                return self.answer(200, content, Content_Type="application/json")
            path = folder.joinpath(*words[4:])
            if not path.is_file():
                return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            content = path.read_bytes()
            etag = f'"{hashlib.sha1(content).hexdigest()}"'
            return self.answer(200, content, ETag=etag, X_Repo_Commit=COMMIT)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    yield models
    server.shutdown()
    server.server_close()


def generate(model, output):
    """Run the command as a process: the hub's settings are read when its library is imported."""
    command = [sys.executable, "-m", "taylorseer_ov.cli", "generate", model, PROMPT]
    options = ["--steps", "2", "--quiet", "-o", str(output)]
    return subprocess.run([*command, *options], capture_output=True, text=True)


@pytest.mark.export
def test_a_model_is_downloaded_once_and_drawn_with(hub_server, tmp_path):
    hub_server["OpenVINO/demo-ov"] = demo_model_path()
    done = generate("OpenVINO/demo-ov", tmp_path / "first.png")
    assert done.returncode == 0, done.stderr
    hub_server["OpenVINO/demo-ov"] = 503
    done = generate("OpenVINO/demo-ov", tmp_path / "second.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "second.png").is_file()


@pytest.mark.export
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (401, "owner/model is gated: accept its licence at https://huggingface.co/owner/model"),
        (404, "no folder 'owner/model' here and no such public model on the hub"),
        ("torch", "owner/model is not exported to OpenVINO; export it: taylorseer-ov export own"),
        ("empty", "owner/model is not a diffusers pipeline: it has no model_index.json"),
    ],
)
def test_a_model_that_cannot_be_had(hub_server, tmp_path, kind, message):
    folder = tmp_path / "model"
    folder.mkdir()
    if kind == "torch":
        (folder / "model_index.json").write_text("{}")
    hub_server["owner/model"] = kind if isinstance(kind, int) else folder
    done = generate("owner/model", tmp_path / "picture.png")
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.export
def test_no_network(hub_server, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = generate("owner/model", tmp_path / "picture.png")
    assert done.returncode == 1
    assert "the hub cannot be reached" in done.stderr.splitlines()[-1]
