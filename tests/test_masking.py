"""What reaches the terminal and the store: text that nothing obeys, and no passwords."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from ttt.cli.terminal import Terminal, Warnings
from ttt.masking import masked, passwords, shown_uri, visible

SECRET = "pl4nt:ed/w0rd"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 日本 😀\n\tx", "plain ü 日本 😀\n\tx"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]8;;http://evil\x07link", "\\x1b]8;;http://evil\\x07link"),
        ("a\rb\x08c\x9b2J", "a\\rb\\x08c\\x9b2J"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("caf\udce9", "caf\\udce9"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_the_console_obeys_nothing_in_a_text() -> None:
    hostile = "[bold]x[/] [link=http://evil]y[/link] :smile: \x1b[2J\u202e"
    out = Terminal(file=io.StringIO(), width=200, force_terminal=True)
    table = Table("name [red]a")
    table.add_row(hostile)
    out.print(hostile)
    out.print(table)
    written = out.file.getvalue()  # type: ignore[attr-defined]
    assert written.count("[bold]x[/] [link=http://evil]y[/link] :smile: \\x1b[2J\\u202e") == 2
    assert "name [red]a" in written
    assert "\x1b[2J" not in written
    assert "\x1b]8" not in written


def test_warnings_are_shown_as_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("ttt.cli.terminal.console", Terminal(file=shown, width=200))
    Warnings().emit(logging.LogRecord("x", logging.WARNING, "", 0, "task %s", ("\x1b[31m[red]",), None))
    assert shown.getvalue() == "task \\x1b[31m[red]\n"


def test_what_libraries_log_by_themselves_is_text_too(tmp_path: Path) -> None:
    code = (
        "import logging; from ttt.cli.terminal import prepare; prepare();"
        "library = logging.getLogger('library'); library.addHandler(logging.StreamHandler());"
        "library.warning('a tensor %s of http://u:geheim@h', 'x\\x1b]0;y\\x07')"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=60)
    assert done.stderr == "a tensor x\\x1b]0;y\\x07 of http://u:***@h\n"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://host:5000/x", "http://host:5000/x"),
        ("sqlite:////a/b.db?timeout=60", "sqlite:////a/b.db?timeout=60"),
        ("sqlite:////data/run:2024@home/x.db", "sqlite:////data/run:2024@home/x.db"),
        ("http://user:pw@host/x", "http://user:***@host/x"),
        ("http://user:p@w/o:r@host/x", "http://user:***@host/x"),
        ("postgresql+psycopg2://u:p%40w@h:5432/db?sslmode=on", "postgresql+psycopg2://u:***@h:5432/db?sslmode=on"),
        ("postgresql://h/db?user=u&password=geheim&x=1", "postgresql://h/db?user=u&password=***&x=1"),
        ("https://h/api?access_token=abcd", "https://h/api?access_token=***"),
    ],
)
def test_an_address_is_shown_without_its_password(uri: str, shown: str) -> None:
    assert shown_uri(uri) == shown
    assert masked(f"cannot reach {uri} now") == f"cannot reach {shown} now"


def test_a_folder_with_the_signs_of_a_password_has_none(tmp_path: Path) -> None:
    """What its name holds stands in a fact of the model too, and so does what a user calls a password."""
    assert passwords("sqlite:////data/run:2024@home/x.db") == set()
    for uri in ("sqlite:////data/run:2024-01@home/x.db", "http://u:pythia@127.0.0.1:1/"):
        done = echo(tmp_path, "model=pythia-70m", "model.trained=2024-01", "bench=gsm8k", f"tracking.uri={uri}")
        assert done.returncode == 0, done.stderr


def test_a_password_that_a_library_repeats_by_itself_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://u:s%40feword@host")
    assert masked("login of u with s@feword and s%40feword failed") == "login of u with *** and *** failed"


def echo(folder: Path, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment}
    command = [sys.executable, "-m", "tests.echo", *argv]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=120)


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_no_password_is_left_by_a_multirun(launcher: str, tmp_path: Path) -> None:
    """Neither Hydra's files nor those of the jobs, nor what is said, hold it; the jobs themselves get it."""
    uri = f"http://user:{SECRET}@127.0.0.1:1"
    argv = ["-m", f"hydra/launcher={launcher}", "model=pythia-70m", "bench=gsm8k", "seed=1,2", f"tracking.uri={uri}"]
    done = echo(tmp_path, *argv, "bench.chance=0.125", "output=out.json")
    assert done.returncode == 0, done.stderr
    results = (tmp_path / "out.json").read_text()
    assert results.count(uri) == 2, "each job has worked with the address itself"
    (tmp_path / "out.json").unlink()
    left = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert any(file.name == "multirun.yaml" for file in left)
    # The echo's results hold what it was asked; everything else is what a real command leaves as well.
    assert not [str(file) for file, content in left.items() if SECRET.encode() in content and b'"cell"' not in content]
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "argv",
    [["--cfg", "job"], ["--help"], ["seed=x"], ["bench.limit=${tracking.uri}"], ["bench.metric='${tracking.uri},x'"]],
)
def test_no_password_is_told(argv: list[str], tmp_path: Path) -> None:
    done = echo(tmp_path, *argv, f"tracking.uri=http://user:{SECRET}@127.0.0.1:1")
    assert done.returncode == (0 if argv[0].startswith("--") else 2), done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_password_is_stored_or_told_by_a_store_that_fails(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    command = [sys.executable, "-m", "ttt.compare", "bench=gsm8k", f"tracking.uri=http://user:{SECRET}@127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=120)
    assert done.returncode in (1, 2)
    assert SECRET not in done.stdout + done.stderr
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


def test_whoever_stops_reading_stops_no_work(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = f"{sys.executable} -m tests.echo model=pythia-70m output=out.json 2>&1 | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, env=env, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "out.json").is_file()
