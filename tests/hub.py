"""The stand-in for the hub, with commits: what was published under a name before is still there under its commit."""

from __future__ import annotations

import re
import runpy
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED, write_jsonl

SERVER = SHARED / "tools" / "hub_server.py"
Splits = Mapping[str, list[dict[str, Any]]]


@contextmanager
def standing_in(folder: Path) -> Iterator[str]:
    """Serves `models/ORG/NAME` and `datasets/ORG/NAME` of a folder; yields the address for `HF_ENDPOINT`."""
    if not SERVER.exists():
        pytest.skip("needs the stand-in for the hub in ../shared/tools, which is not here")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "tests.hub", str(folder), str(port)])
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def publish(hub: Path, repository: str, configs: Mapping[str, Splits], tag: str | None = None) -> str:
    """Make these rows the hub's data set of that name, with a tag if one is given; returns the commit."""
    folder = hub / "datasets" / repository
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, rows in splits.items():
            write_jsonl(folder / f"{config}-{split}.jsonl", rows)
            lines += [f"  - split: {split}", f"    path: {config}-{split}.jsonl"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    commit = str(runpy.run_path(str(SERVER))["commit"](str(folder)))
    for revision in (commit, tag):
        if revision:
            shutil.copytree(folder, hub / "at" / revision / "datasets" / repository, dirs_exist_ok=True)
    return commit


def serve(root: Path, port: int) -> None:
    """The stand-in that is shared, except that a revision which was published answers with its own files."""
    hub: Any = runpy.run_path(str(SERVER))["Hub"]

    class AtRevisions(hub):  # type: ignore[misc]
        def do_GET(self) -> None:  # noqa: N802 - a name of the standard library
            asked = re.search(r"/(?:revision|resolve|tree|paths-info)/([^/?]+)", self.path)
            place = root / "at" / asked[1] if asked else root
            self.root = str(place if place.is_dir() else root)
            super().do_GET()

        do_HEAD = do_GET  # noqa: N815

    ThreadingHTTPServer(("127.0.0.1", port), AtRevisions).serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
