"""Servers: one that is not there is told soon, one that is away for moments in the middle of a run loses nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ttt.spec import SpecError, Tracking
from ttt.tracking import StoreError, Tracker, opening


@pytest.fixture
def answers() -> Iterator[str]:
    """A server that answers every request with the status in its path, and a page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path.split("/")[1]))
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def open_at(uri: str, tmp_path: Path) -> Tracker:
    return Tracker(Tracking(root=str(tmp_path / "mlruns"), uri=uri))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (200, "what answers there is no MLflow server"),
        (401, "the server refuses \\(401\\); MLFLOW_TRACKING_USERNAME"),
        (403, "the server refuses \\(403\\)"),
        (404, "what answers there is no MLflow server \\(404\\)"),
        (503, "it does not answer"),
    ],
)
def test_what_is_no_mlflow_server(
    answers: str, status: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PATIENCE", 1)
    kind = StoreError if status == 503 else SpecError
    with pytest.raises(kind, match=f"tracking.uri: {answers}/{status} cannot be used: {message}"):
        open_at(f"{answers}/{status}", tmp_path)


def test_a_server_that_is_not_there(silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PATIENCE", 1)
    for uri in (silent, f"http://127.0.0.1:{free_port()}"):
        with pytest.raises(StoreError, match=f"tracking.uri: {uri} cannot be used: it does not answer"):
            open_at(uri, tmp_path)
    with pytest.raises(StoreError, match=r"http://me:\*\*\*@127.0.0.1:\d+ cannot be used") as told:
        open_at(silent.replace("//", "//me:sesame@"), tmp_path)
    assert "sesame" not in str(told.value)
    assert not [name for name in os.environ if name.startswith("MLFLOW_HTTP")], "MLflow's patience is what it was"


class Server:
    def __init__(self, folder: Path, port: int):
        self.command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
        self.command += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
        self.command += ["--artifacts-destination", str(folder / "artifacts")]
        self.folder, self.uri = folder, f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            self.command, env=environment, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
        )

    def stop(self) -> None:
        if self.process:
            os.killpg(self.process.pid, 9)
            self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, free_port())
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
def test_a_server_that_goes_away_in_the_middle_of_a_run(server: Server, tmp_path: Path) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            tracker = open_at(server.uri, tmp_path)
            break
        except StoreError:
            assert time.monotonic() < end, (tmp_path / "server.log").read_text()[-2000:]
    run = tracker.start("made/sums", "a run", {"ttt.kind": "cell", "ttt.key": "k"})
    server.stop()
    back = threading.Timer(3, server.start)
    back.start()
    run.metrics({"adjusted/score": 0.5}, 10)
    run.flush({"facts": "x" * 7000})
    back.join()
    run.json({"kept": True}, "folder/result.json")
    run.finish()
    (found,) = tracker.runs("made/sums", "cell")
    assert found.data.metrics == {"adjusted/score": 0.5}
    assert found.data.params == {"facts": "x" * 7000}
    assert tracker.read_json(run.run_id, "folder/result.json") == {"kept": True}
    assert tracker.artifact(run.run_id, "folder/nothing.json") is None
    assert tracker.read_run("0" * 32) is None
