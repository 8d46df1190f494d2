"""Uploads: to a hub that stands in for the real one, on this machine, and never unasked."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from anatomy.config.export import Export, Push
from anatomy.errors import ExportError, GateError
from anatomy.interventions.export.folder import MARKER
from anatomy.interventions.export.push import push_folder, repository_name


class Hub(BaseHTTPRequestHandler):
    """As much of a hub as an upload of small files asks for."""

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.asked.append((self.path, body))
        if self.server.refuse:
            return self.answer({"error": "no"}, 403)
        if self.path == "/api/repos/create":
            return self.answer({"url": f"{self.server.address}/o/x", "id": "o/x"})
        if "/preupload/" in self.path:
            files = json.loads(body)["files"]
            return self.answer(
                {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]}
            )
        if "/commit/" in self.path:
            return self.answer({"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.server.address}/o/x/commit/0"})
        return self.answer({})

    def do_GET(self):
        self.server.asked.append((self.path, b""))
        self.answer({"id": "o/x", "sha": "0" * 40, "siblings": []})

    def answer(self, value, status=200):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.refuse = [], False
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def exported(tmp_path):
    folder = tmp_path / "mine-projection"
    folder.mkdir()
    (folder / MARKER).write_text(json.dumps({"gate": {"passed": True}}))
    (folder / "README.md").write_text("# mine, edited: projection\n")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def committed(hub):
    """Files of the one commit, and whether the new repository is private."""
    lines = [json.loads(line) for path, body in hub.asked if "/commit/" in path for line in body.splitlines()]
    (created,) = (json.loads(body) for path, body in hub.asked if path == "/api/repos/create")
    return {line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"}, created


def test_the_whole_folder_goes_in_one_commit_to_a_private_repository(hub, exported):
    address = push_folder(exported, "o/x", private=True, endpoint=hub.address)
    files, created = committed(hub)
    assert files == {path.name: path.read_bytes() for path in exported.iterdir()}
    assert address.endswith("/commit/0") and created["name"] == "x"
    assert "private" in (created.get("visibility"), *(key for key, value in created.items() if value is True))


def test_what_passed_no_gate_is_never_sent(hub, exported):
    for record in ("{}", json.dumps({"gate": {"passed": False}}), None):
        (exported / MARKER).unlink()
        if record:
            (exported / MARKER).write_text(record)
        with pytest.raises(GateError, match="no record that the gate was passed"):
            push_folder(exported, "o/x", private=True, endpoint=hub.address)
        (exported / MARKER).touch()
    assert hub.asked == []


def test_a_hub_that_refuses_is_an_error_that_keeps_the_export(hub, exported):
    hub.refuse = True
    before = {path.name: path.read_bytes() for path in exported.iterdir()}
    with pytest.raises(ExportError, match="the export is kept"):
        push_folder(exported, "o/x", private=True, endpoint=hub.address)
    assert {path.name: path.read_bytes() for path in exported.iterdir()} == before


def test_off_unless_a_repository_is_named():
    assert Export().push.hub is None and Export().to is None and Push().private


def test_names_a_hub_allows():
    assert repository_name("org/{model}-{family}", "weak.s0", "row_mean@system") == "org/weak.s0-row_mean-system"
    assert repository_name("org/one", "weak.s0", "projection") == "org/one"
