"""Servers: one that is not there is told soon, one that is away for moments in the middle of a run loses nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.tracking.test_liveness import other_process
from ttt.files.hashing import file_digest
from ttt.files.model_source import folder_source
from ttt.spec import SpecError, Tracking
from ttt.tracking import StoreError, Tracker, connection


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
    monkeypatch.setattr(connection, "PATIENCE", 1)
    kind = StoreError if status == 503 else SpecError
    with pytest.raises(kind, match=f"tracking.uri: {answers}/{status} cannot be used: {message}"):
        open_at(f"{answers}/{status}", tmp_path)


def test_a_server_that_is_not_there(silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 1)
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


def begun_server(folder: Path) -> tuple[Server, Tracker]:
    """A server that answers, and a store at it."""
    server = Server(folder, free_port())
    server.start()
    end = time.monotonic() + 120
    while True:
        try:
            return server, open_at(server.uri, folder)
        except StoreError:
            assert time.monotonic() < end, (folder / "server.log").read_text()[-2000:]


@pytest.fixture(scope="module")
def at_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    server, tracker = begun_server(tmp_path_factory.mktemp("server"))
    yield tracker
    server.stop()


@pytest.fixture
def tracker(at_server: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracker]:
    """The store at the server, from a folder of its own; nothing may be left among temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield open_at(at_server.uri, tmp_path)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.slow
def test_a_server_that_goes_away_in_the_middle_of_a_run(tmp_path: Path) -> None:
    server, tracker = begun_server(tmp_path)
    try:
        with tracker.run("made/sums", "a run", {"ttt.kind": "cell"}, key="k") as run:
            server.stop()
            back = threading.Timer(3, server.start)
            back.start()
            run.metrics({"adjusted/score": 0.5}, 10)
            run.flush({"facts": "x" * 7000})
            back.join()
            run.json({"kept": True}, "folder/result.json")
        (done,) = tracker.runs("made/sums", "cell")
        assert done.data.metrics == {"adjusted/score": 0.5}
        assert done.data.params == {"facts": "x" * 7000}
        assert tracker.read_json(run.run_id, "folder/result.json") == {"kept": True}
        assert tracker.artifact(run.run_id, "folder/nothing.json") is None
        assert tracker.read_run("0" * 32) is None
    finally:
        server.stop()


@pytest.mark.slow
def test_a_life_at_a_server(tracker: Tracker, tmp_path: Path) -> None:
    """A process that was killed there is buried, and its run taken up from a folder that it never saw."""
    process, run_id = other_process(tmp_path / "theirs", tracker.uri)
    said: list[str] = []
    try:
        assert tracker.bury_dead("made") == []
        timer = threading.Timer(1, process.kill)
        timer.start()
        with tracker.run("made/sums", "killed", {"ttt.kind": "cell"}, key="k", say=said.append) as run:
            run.metrics({"train/loss": 1.0}, 1)
            run.metrics({"train/loss": 0.5}, 2)
    finally:
        process.kill()
        process.wait()
    assert run.run_id == run_id
    assert said == [f"killed: run {run_id} is worked on (process {process.pid} on {socket.gethostname()}): waiting"]
    assert run.history("train/loss") == [(1, 1.0), (2, 0.5)]
    with pytest.raises(ValueError, match="no"), tracker.run("made/sums", "x", {"ttt.kind": "cell"}, key="x") as failed:
        raise ValueError("no")
    kept = tracker.read_run(failed.run_id)
    assert kept is not None
    assert (kept.info.status, kept.data.tags["ttt.failure"]) == ("FAILED", "ValueError: no")


@pytest.mark.slow
def test_what_is_downloaded_is_kept_once(tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = tmp_path / "base.parquet"
    items.write_bytes(b"the items")
    with tracker.run("made/cache", "a run", {"ttt.kind": "cell"}) as run:
        run.file(items, "items")
        run.json({"score": 1}, "result.json")
    digest = file_digest(items)
    first = tracker.artifact(run.run_id, "items/base.parquet", digest)
    assert first == tracker.root / "cache" / run.run_id / "items" / "base.parquet"
    assert first.read_bytes() == b"the items"
    with tracker.run("made/cache", "another", {"ttt.kind": "cell"}) as other:
        other.json({"score": 1}, "result.json")
    for score in (1, 2):
        tracker.open(run.run_id).json({"score": score}, "result.json")
        assert tracker.read_json(run.run_id, "result.json") == {"score": score}, "without a digest it is asked for"
    assert tracker.read_jsons(tracker.runs("made/cache", "cell"), "result.json") == [{"score": 1}, {"score": 2}]
    first.write_bytes(b"something else")
    again = tracker.artifact(run.run_id, "items/base.parquet", digest)
    assert again is not None
    assert again.read_bytes() == b"the items", "what somebody has changed in the cache is not believed"
    monkeypatch.setattr(tracker.client, "list_artifacts", None)
    monkeypatch.setattr(tracker.client, "download_artifacts", None)
    assert tracker.artifact(run.run_id, "items/base.parquet", digest) == first, "without asking the server"
    assert list((tracker.root / "cache" / "parts").iterdir()) == []


@pytest.mark.slow
def test_versions_at_a_server(tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    (weights / "model.safetensors").write_bytes(b"weights")
    tags = {"ttt.digest": "d", "ttt.files": folder_source(weights), "ttt.adjusted_model": "key"}
    versions = []
    for suite in ("one", "two"):
        with tracker.run(f"{suite}/adjusting", "m full s0", {"ttt.kind": "adjusting"}) as run:
            run.weights(weights, "model")
            versions.append(tracker.registry.register("m", run.run_id, "model", tags, ["adjusted-aux"]))
    assert [version.number for version in versions] == [1, 1], "the same weights in another suite are one version"
    (version,) = tracker.registry.versions("m")
    downloads: list[str] = []
    real = tracker.client.download_artifacts

    def counted(run_id: str, path: str, place: str) -> str:
        downloads.append(path)
        return str(real(run_id, path, place))

    monkeypatch.setattr(tracker.client, "download_artifacts", counted)
    folders = {tracker.registry.folder(tracker.registry.find("m", which)) for which in (1, "adjusted-aux", "1")}
    assert folders == {tracker.root / "cache" / version.run_id / "model"}
    (folder,) = folders
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert downloads == ["model"]
    (folder / "model.safetensors").write_bytes(b"weighty")
    assert tracker.registry.folder(version) == folder
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert downloads == ["model", "model"]
