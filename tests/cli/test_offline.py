"""A hub that does not answer is asked once."""

from __future__ import annotations

import http.server
import os
import threading

import pytest

from tests.cells import compose_request
from ttt.cli.offline import OFFLINE_ENV, work_offline_if_silent

LOCAL = ["model.path=/w", "bench.files.test=/t.jsonl", "bench.task_data=[{name: x, files: /x.jsonl}]"]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address where nobody answers."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(OFFLINE_ENV, "0")
    monkeypatch.setenv("no_proxy", "*")
    return OFFLINE_ENV


@pytest.mark.parametrize("place", range(len(LOCAL)))
def test_a_silent_hub_is_not_asked_again(place: int, endpoint: str) -> None:
    work_offline_if_silent(compose_request(*LOCAL).cells[0])
    assert os.environ[endpoint] == "0", "nothing is needed from it"
    work_offline_if_silent(compose_request(*LOCAL[:place], *LOCAL[place + 1 :]).cells[0])
    assert os.environ[endpoint] == "1"


@pytest.mark.parametrize("status", [200, 404, 501])
def test_a_hub_that_answers_is_asked(status: int, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        work_offline_if_silent(compose_request("model=pythia-70m").cells[0])
        server.shutdown()
    assert os.environ[endpoint] == "0"
