"""A hub on this machine: the calls by which huggingface_hub publishes a model or a Space, and what they brought."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN, OWNER, COMMIT = "hf_" + "a1" * 17, "ada", "0" * 40


class Hub(ThreadingHTTPServer):
    """repositories: by name, whether it is private, what kind it is (a Space's sdk), and its files."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.repositories: dict[str, dict] = {}


class Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "Invalid credentials in Authorization header"})
        if self.path == "/api/repos/create":
            return self.create(json.loads(body))
        if self.path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        name, call = re.fullmatch(r"/api/(?:models|spaces)/([^/]+/[^/]+)/(preupload|commit)/main", self.path).groups()
        if call == "preupload":
            files = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]]
            return self.answer(200, {"files": files})
        self.commit(name, [json.loads(line) for line in body.splitlines()])

    def do_GET(self) -> None:
        asked = re.match(r"/api/spaces/([^/]+/[^/]+)/(tree/main|revision/main)", self.path)
        if asked is None or asked.group(1) not in self.server.repositories:
            return self.answer(404, {"error": "Repository not found"})
        files = self.server.repositories[asked.group(1)]["files"]
        tree = [{"type": "file", "path": name, "size": len(body), "oid": COMMIT} for name, body in files.items()]
        self.answer(200, tree if "tree" in self.path else {"id": asked.group(1), "sha": COMMIT})

    def create(self, asked: dict) -> None:
        owner = asked.get("organization") or OWNER
        if owner != OWNER:
            return self.answer(403, {"error": f"You don't have the rights to create a model under {owner}"})
        name = f"{owner}/{asked['name']}"
        if name in self.server.repositories:
            return self.answer(409, {"error": "You already created this model repo", "url": f"{self.server.address}/{name}"})
        private = asked.get("private", asked.get("visibility") == "private")
        self.server.repositories[name] = {"private": private, "kind": (asked.get("type"), asked.get("sdk")), "files": {}}
        room = "spaces/" if asked.get("type") == "space" else ""
        self.answer(200, {"url": f"{self.server.address}/{room}{name}", "name": name})

    def commit(self, name: str, lines: list[dict]) -> None:
        files = self.server.repositories[name]["files"]
        for line in lines:
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                del files[line["value"]["path"]]
        self.answer(200, {"commitUrl": f"{self.server.address}/{name}/commit/{COMMIT}", "commitOid": COMMIT})

    def answer(self, status: int, data: dict) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving_hub() -> Iterator[Hub]:
    hub = Hub()
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    yield hub
    hub.shutdown()
    hub.server_close()
