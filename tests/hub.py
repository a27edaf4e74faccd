"""The stand-in for the hub."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import SHARED

SERVER = SHARED / "tools" / "hub_server.py"


@contextmanager
def standing_in(folder: Path) -> Iterator[str]:
    """Serves `models/ORG/NAME` and `datasets/ORG/NAME` of a folder; yields the address for `HF_ENDPOINT`."""
    if not SERVER.exists():
        pytest.skip("needs the stand-in for the hub in ../shared/tools, which is not here")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(SERVER), str(folder), str(port)])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
