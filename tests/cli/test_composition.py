"""What the files of a user's own folder may say, and whose paths they name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cells import compose_request
from tests.test_masking import echo
from ttt.catalogue.definitions import Definitions
from ttt.cli.command import CONF
from ttt.cli.composition import Composer
from ttt.spec import SpecError

MODEL = {"name": "m", "family": "f", "path": "w", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}
BENCH = {"name": "b", "version": 1, "format": "cloze", "chance": 0.0, "metric": "acc,none", "tasks": ["piqa"]}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTT_ALLOWED_ENVIRONMENT", "")
    monkeypatch.setenv("TTT_SECRETS", "{}")


def write(file: Path, content: str | bytes | dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content) if isinstance(content, dict) else content
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def own(folder: Path, *overrides: str) -> dict[str, Any]:
    """The values that a command with `--config-dir` composes."""
    composer = Composer("run", list(overrides), str(folder))
    return composer.values(composer.requests()[0])[0]


# Whose paths


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my"
    write(folder / "model" / "m.yaml", {**MODEL, "path": "../weights"})
    sources = [{"name": "a", "files": "a.jsonl"}, {"name": "b", "files": ["../data/b.jsonl", "/there/c.jsonl"]}]
    files = {"test": "../data/test.jsonl", "dev": "~/dev.jsonl", "train": "${oc.select:lab.folder,x}/train.jsonl"}
    bench = {**BENCH, "files": files, "task_data": sources}
    write(folder / "bench" / "b.yaml", bench)
    write(folder / "bench" / "other.yaml", {"defaults": [{"/task_data@_here_": "d"}, "_self_"], **BENCH})
    write(folder / "task_data" / "d.yaml", {"task_data": [{"name": "d", "files": "d.jsonl"}]})
    monkeypatch.chdir(tmp_path)
    composed = own(Path("my"), "model=m", "bench=b", "bench.files.validation=v.jsonl")
    assert composed["model"]["path"] == str(folder / "weights")
    assert composed["bench"]["files"] == {
        "test": str(folder / "data/test.jsonl"),
        "dev": str(Path.home() / "dev.jsonl"),
        "train": "mlruns/lab/s0/train.jsonl",  # below tracking.root, which is relative to where one stands
        "validation": "v.jsonl",  # as is what the command line says
    }
    read = [source["files"] for source in composed["bench"]["task_data"]]
    assert read == [str(folder / "bench/a.jsonl"), [str(folder / "data/b.jsonl"), "/there/c.jsonl"]]
    assert own(folder, "model=m", "bench=other")["bench"]["task_data"][0]["files"] == str(folder / "task_data/d.jsonl")

    definitions = Definitions([CONF, folder])
    assert definitions.model("m").path == str(folder / "weights")
    assert definitions.bench("b").files["test"] == str(folder / "data/test.jsonl")
    by_searchpath = compose_request(f"hydra.searchpath=[file://{folder}]", "model=m", "bench=b")
    assert by_searchpath.cells[0].model.path == str(folder / "weights")


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_the_jobs_of_a_multirun_read_the_same(launcher: str, tmp_path: Path) -> None:
    """With a folder, a store and data whose names hold what Hydra's grammar, YAML and addresses take for their own."""
    odd = "a b=c,d[1]{é}%20#?'\"$+@日"
    folder = tmp_path / odd / "my"
    write(folder / "model" / "m.yaml", {**MODEL, "path": "../../w"})
    write(
        folder / "bench" / "b.yaml",
        {**BENCH, "files": {"test": "../../t.jsonl"}, "task_data": [{"name": "x", "files": "x"}]},
    )
    data = write(tmp_path / odd / "v=1.jsonl", "{}")
    out, root = tmp_path / odd / "out,1.json", tmp_path / odd / "runs"
    fixed = ["--config-dir", str(folder), "model=m", "bench=b", f"output={out}", f"tracking.root={root}"]
    done = echo(tmp_path, "-m", f"hydra/launcher={launcher}", *fixed, f"bench.files.dev={data}", "seed=1,2")
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())
    assert [result["cell"]["seed"] for result in results] == [1, 2]
    for result in results:
        assert result["cell"]["model"]["path"] == str(tmp_path / odd / "w")
        assert result["cell"]["bench"]["files"] == {"test": str(folder.parent / "t.jsonl"), "dev": str(data)}
        assert result["tracking"]["root"] == str(root)
    assert sorted(file.name for file in tmp_path.iterdir()) == [odd]
    assert sorted(file.name for file in folder.parent.iterdir()) == sorted(["my", "out,1.json", "runs", "v=1.jsonl"])


ODD = ["a b", "a=b", "a,b", "x[1].jsonl", "{b}", "café", "50%", "%20", "a?b", "a#b", "it's", 'say "x"', "a$b", "a+b",
       "a@b", "-a", "a\\b", "a;b&c", "a(b)", "日本", "007", "1e5", "true", "a:b"]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_a_path_on_the_command_line_is_what_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, "x")
    fields = ("model.path", "bench.files.test", "tracking.root", "output", "lab.folder")
    composer = Composer("run", [f"{field}={name}" for field in fields])
    values = composer.values(composer.requests()[0])[0]
    assert values["model"]["path"] == values["bench"]["files"]["test"] == name
    assert values["tracking"]["root"] == values["output"] == values["lab"]["folder"] == name
    quoted = Composer("run", [f'bench.files.test="{name}"']) if '"' not in name and "\\" not in name else None
    assert quoted is None or quoted.values(quoted.texts)[0]["bench"]["files"]["test"] == name


def test_what_is_no_file_and_cannot_be_read_is_named_with_its_quotes(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"model.path=a=b\[1\]: .*'model.path=\"a=b\[1\]\"'"):
        Composer("run", ["model.path=a=b[1]"])
    composer = Composer("run", ['model.path="a=b[1]"'])
    assert composer.values(composer.texts)[0]["model"]["path"] == "a=b[1]"
    assert Composer("run", ["bench.files.test=a.jsonl,b.jsonl"]).sweeps, "files that are not one are several"


# What a file may not do

GLOBAL = "# @package _global_\nhydra: {callbacks: {x: {_target_: hostile.Hostile}}}\n"
HOSTILE = [
    ("model/m.yaml", GLOBAL, "`@package _global_`"),
    ("bench/m.yaml", GLOBAL, "`@package _global_`"),
    ("adjustment/m.yaml", GLOBAL, "`@package _global_`"),
    ("task_data/m.yaml", GLOBAL, "`@package _global_`"),
    ("trainer/m.yaml", "#@package hydra.callbacks\nx: {_target_: hostile.Hostile}\n", "`@package hydra.callbacks`"),
    ("model/m.yaml", "\n\n  # @package hydra\ncallbacks: {x: {_target_: hostile.Hostile}}\n", "`@package hydra`"),
    ("model/m.yaml", "defaults: [{override /hydra/launcher: joblib}]\n", "override /hydra/launcher"),
    ("model/m.yaml", "defaults: [/bench/evil@hydra.callbacks]\n", "/bench/evil@hydra.callbacks"),
    ("model/m.yaml", "defaults: [{/bench@hydra.callbacks: evil}]\n", "/bench@hydra.callbacks"),
    ("model/m.yaml", "defaults: [{/bench@_global_: evil}]\n", "/bench@_global_"),
    ("model/m.yaml", "defaults: ['${bench}']\n", "${bench}"),
    ("model/m.yaml", "defaults: [../bench/evil]\n", "../bench/evil"),
    ("hydra/launcher/basic.yaml", "_target_: hostile.Hostile\n", "hydra/launcher/basic.yaml"),
    ("hydra/callbacks/x.yaml", "x: {_target_: hostile.Hostile}\n", "hydra/callbacks/x.yaml"),
    ("run.yaml", "hydra: {callbacks: {x: {_target_: hostile.Hostile}}}\n", "run.yaml"),
    ("model/m.yaml", "name: !!python/object/apply:hostile.Hostile []\n", "python/object/apply"),
]


@pytest.mark.parametrize(("name", "content", "expected"), HOSTILE)
def test_a_strangers_file_runs_nothing(name: str, content: str, expected: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    write(tmp_path / "hostile.py", f"open({str(marker)!r}, 'w')\nclass Hostile:\n    pass\n")
    folder = tmp_path / "theirs"
    write(folder / "model" / "m.yaml", MODEL)
    write(folder / "bench" / "evil.yaml", "x: {_target_: hostile.Hostile}\n")
    write(folder / name, content)
    group = Path(name).parts[0]
    chosen = f"{group}={Path(name).stem}" if group in ("bench", "adjustment", "trainer") else "model=m"
    chosen = "task_data@bench=m" if group == "task_data" else chosen
    with pytest.raises(SpecError) as refused:
        own(folder, chosen)
    assert expected in str(refused.value)
    assert str(folder / name) in str(refused.value)
    env = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{tmp_path}"}
    done = echo(tmp_path, "-m", "--config-dir", str(folder), chosen, "seed=1,2", **env)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not marker.exists()
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("name: m\n\tfamily: x\n", "line 2: found character"),
        ("name: m\nname: n\n", "line 2: found duplicate key name"),
        ("- a\n", "holds a list"),
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        (b"name: caf\xe9\n", "is not UTF-8 (byte 9)"),
        ("name: !foo x\n", "line 1: could not determine a constructor for the tag '!foo'"),
        ("name: m\n---\nname: n\n", "line 2"),
        ("facts: &a {b: *a}\n", "a value holds itself"),
        ("defaults: {a: b}\n", "`defaults` are no list"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content: str | bytes, expected: str, tmp_path: Path) -> None:
    file = write(tmp_path / "model" / "m.yaml", content)
    for read in (lambda: own(tmp_path, "model=m"), lambda: Definitions([tmp_path]).model("m")):
        with pytest.raises(SpecError) as refused:
            read()
        assert str(file) in str(refused.value)
        assert expected in str(refused.value)


def test_a_byte_order_mark_is_none_of_the_first_name(tmp_path: Path) -> None:
    write(tmp_path / "model" / "m.yaml", b"\xef\xbb\xbf" + json.dumps(MODEL).encode())
    assert own(tmp_path, "model=m")["model"]["name"] == "m"


def test_files_that_are_built_on_themselves(tmp_path: Path) -> None:
    write(tmp_path / "model" / "m.yaml", {"defaults": ["n", "_self_"], **MODEL})
    write(tmp_path / "model" / "n.yaml", {"defaults": ["m", "_self_"], **MODEL})
    with pytest.raises(SpecError, match="among its defaults"):
        own(tmp_path, "model=m")
    with pytest.raises(SpecError, match="is built on itself"):
        Definitions([tmp_path]).model("m")


def test_ones_own_file_wins_over_a_shipped_one_of_the_same_name(tmp_path: Path) -> None:
    """In the folder of another, and where a shipped file is built on it, too."""
    folder = tmp_path / "my"
    shutil.copytree(CONF, folder)  # whoever begins with a copy of everything changes a file of it
    for group, name, text in (("bench", "gsm8k", "chance: 0.0"), ("adjustment", "full", "learning_rate: 2.0e-5")):
        file = folder / group / f"{name}.yaml"
        assert text in file.read_text()
        file.write_text(file.read_text().replace(text, f"{text.split(':')[0]}: 0.125"))
    composer = Composer("run", ["model=pythia-70m", "bench=gsm8k", "adjustment=epochs_1"], str(folder))
    values, _ = composer.values(composer.texts)
    assert (values["bench"]["chance"], values["adjustment"]["learning_rate"]) == (0.125, 0.125)
    assert composer.replacing == [folder / "bench" / "gsm8k.yaml", folder / "adjustment" / "full.yaml"]
    definitions = Definitions([CONF, folder])
    assert (definitions.bench("gsm8k").chance, definitions.adjustment("epochs_1").learning_rate) == (0.125, 0.125)
    assert Definitions([CONF]).bench("gsm8k").chance == 0
    assert Composer("run", []).replacing == []


def test_what_is_taken_in_place_of_a_shipped_file_is_said(tmp_path: Path) -> None:
    write(tmp_path / "bench" / "gsm8k.yaml", {**BENCH, "name": "gsm8k"})
    done = echo(tmp_path, f"conf={tmp_path}", "model=pythia-70m", "bench=gsm8k", "adjustment=none")
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path}/bench/gsm8k.yaml: is taken in place of ttt's own bench/gsm8k.yaml" in done.stderr


def test_two_files_of_ones_own_with_one_name_are_refused(tmp_path: Path) -> None:
    """Hydra would take the first without a word."""
    files = [write(tmp_path / folder / "bench" / "b.yaml", {**BENCH, "chance": i / 4}) for i, folder in enumerate("ab")]
    folders = [file.parents[1] for file in files]
    for read in (
        lambda: own(folders[0], "bench=b", f"hydra.searchpath=[file://{folders[1]}]"),
        lambda: Definitions([CONF, *folders]).bench("b"),
    ):
        with pytest.raises(SpecError, match="have one name") as refused:
            read()
        assert all(str(file) in str(refused.value) for file in files)
    files[1].write_bytes(files[0].read_bytes())
    assert own(folders[0], "bench=b", f"hydra.searchpath=[file://{folders[1]}]")["bench"]["name"] == "b"


@pytest.mark.parametrize("command", ["run", "compare", "saturate", "ingest", "pretrain"])
def test_every_command_names_ones_own_folder_alike(command: str, tmp_path: Path) -> None:
    folder = tmp_path / "a b=c,d[1]"
    write(folder / "bench" / "b.yaml", BENCH)
    by_flag = Composer(command, [], str(folder))
    assert by_flag.folders == [str(folder)]
    for override in (f"conf={folder}", f"+conf={folder}"):
        assert Composer(command, [override]).folders == by_flag.folders
    assert Composer(command, [f"conf={folder}"], str(folder)).folders == by_flag.folders
    assert Composer(command, ["conf=null"]).folders == Composer(command, ["conf=[]"]).folders == []
    quoted, other = f"'{folder}'", tmp_path / "other"
    other.mkdir()
    assert Composer(command, [f"conf=[{quoted},{other}]"]).folders == [str(folder), str(other)]
    with pytest.raises(SpecError, match="folders, as a list, are wanted"):
        Composer(command, ["conf=[1]"])
    with pytest.raises(SpecError, match=r"conf: there is no folder .*nowhere"):
        Composer(command, ["conf=nowhere"])


# What only the command line allows


@pytest.mark.parametrize("field", ["tracking.uri", "study.storage"])
def test_what_a_command_keeps_for_its_jobs_is_no_others(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are read while a command works (ttt.ingest's conf=...) get nothing of the addresses that it has."""
    monkeypatch.setenv("TTT_SECRETS", json.dumps({field: "http://u:geheim@h"}))
    group, _, name = field.partition(".")
    for fields in (
        {"facts": {"t": f"${{ttt.given:{field}}}"}},
        {"path": f"${{ttt.given:{field}}}"},
        {group: {name: f"${{ttt.given:{field}}}"}, "facts": {"t": f"${{{field}}}"}},
    ):
        write(tmp_path / "model" / "m.yaml", {**MODEL, **fields})
        with pytest.raises(SpecError) as refused:
            Definitions([tmp_path]).model("m")
        assert "geheim" not in str(refused.value)


# Messages and exit codes


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["output=FOLDER"], "is a folder"),
        (["output=FOLDER/file/x.json"], "cannot be written"),
        (["output=/proc/x/out.json"], "cannot be written"),
        ([f"output={'x' * 300}"], "cannot be written: File name too long"),
        ([f"suite={'x' * 300}"], "at most 100 characters"),
        ([f"model.name={'x' * 300}"], "at most 100 characters"),
        ([f"bench.name={'x' * 300}"], "at most 100 characters"),
        (["--config-dir", "nowhere"], "there is no folder"),
        (["--config-name", "other"], "ttt's commands have their own configs"),
        (["--help", "modle=x"], "modle: there is no such key"),
        (["--help", "model=x"], "model: there is no 'x'"),
        (["model=../model/pythia-1b"], "is no name of a file of the group"),
        (["model.path=${nope}"], "model.path: Interpolation key 'nope' not found"),
        (["-m", "tracking.root='a','b'"], "a multirun has one for all its jobs"),
        (["allow_env=HOME"], "allow_env=HOME: names of environment variables, as a list"),
        (["pythia-1b"], "an override is written key=value"),
    ],
)
def test_one_message_and_exit_code_2_before_anything_is_done(argv: list[str], expected: str, tmp_path: Path) -> None:
    write(tmp_path / "FOLDER" / "file", "x")
    before = sorted(tmp_path.rglob("*"))
    done = echo(tmp_path, *argv)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert expected in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("mode", [[], ["-m", "seed=1,2"]])
def test_a_store_that_cannot_be_made(mode: list[str], tmp_path: Path) -> None:
    argv = ["model=pythia-70m", "bench=gsm8k", f"tracking.root={write(tmp_path / 'file', 'x')}/store"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "ttt.run", *mode, *argv]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=120)
    assert done.returncode == 2
    assert "cannot be made: what is above it is a file" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_an_argument_that_is_not_utf8(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "tests.echo", b"model.path=caf\xe9"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=120)
    assert done.returncode == 2
    assert "model.path=caf\\udce9: this argument is not UTF-8" in done.stderr
