"""The command line: wrong requests, multiruns, exit codes, and the hub's path through a stand-in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from tests.conftest import make_tiny_model
from tests.hub import publish, standing_in
from ttt.run import COMMAND
from ttt.spec import Tracking
from ttt.tracking import Tracker

QUIET = ["trainer.progress=false", "trainer.threads=1", "trainer.precision=32"]


def ask(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    """Exit code and what was said on stderr, in this process."""
    GlobalHydra.instance().clear()
    code = COMMAND._main(list(argv))
    return code, " ".join(capsys.readouterr().err.split())


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run(
        [sys.executable, "-m", "ttt.run", *argv], capture_output=True, text=True, env=env, timeout=400
    )


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["model=pythia-1x"], "model: there is no 'pythia-1x'; the choices are: pythia-1b, "),
        (["bench=gsm9k"], "bench: there is no 'gsm9k'; the choices are: gsm8k, "),
        (["adjustment=all"], "adjustment: there is no 'all'; the choices are: "),
        (["task_data@bench=nope"], "task_data: there is no 'nope'; the choices are: commonsense_qa, "),
        (["modle=pythia-1b"], "modle: there is no such key; the keys are: model, "),
        (["model.pth=x"], "model.pth: there is no such key; the keys of model are: path, "),
        (["seed=many"], "seed: 'many': input should be a valid integer"),
        (["model.n_params=big", "seed=-1"], "model.n_params: 'big': input should be a valid integer"),
        (["model.n_params=big", "seed=-1"], "seed: -1: input should be greater than or equal to 0"),
        (["trainer.accelerator=qpu"], "trainer.accelerator: 'qpu' is none of 'auto', 'cpu', 'gpu', 'cuda' or 'mps'"),
        (["trainer.precision=8"], "trainer.precision: '8' is none of 'auto', '32' or 'bf16'"),
        (["bench.metric=acc"], "bench.metric: 'acc' does not have the form"),
        (["bench.task_data=[]"], "bench 'gsm8k' has no task data to adjust on; name some"),
        (["bench.task_data=[{name: x, fils: y}]"], "unknown field; the fields are: files"),
        (["adjustment.epochs=null"], "adjustment: needs a budget: `epochs` or `examples`"),
        (["model=pythia-70m,pythia-160m"], "model: several values need a multirun: add -m"),
        (["model=pythia-70m", "bench=["], "an override cannot be read"),
        (["-m", "model=pythia-70m,nope", "bench=gsm8k,gsm9k"], "model: there is no 'nope'"),
        (["-m", "model=pythia-70m,nope", "bench=gsm8k,gsm9k"], "bench: there is no 'gsm9k'"),
    ],
)
def test_a_wrong_request_is_one_message(
    argv: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, said = ask(capsys, *argv, f"tracking.root={tmp_path / 'mlruns'}")
    assert code == 2
    assert expected in said
    assert "Traceback" not in said
    assert not (tmp_path / "mlruns").exists(), "nothing is written for a wrong request"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["model.path=/nowhere"], "model.path: no folder /nowhere"),
        (["bench.files.test=/nowhere.jsonl"], "no file /nowhere.jsonl"),
        (["bench.tasks=[gsm9k]"], "lm-eval has no task 'gsm9k'; the nearest are: gsm8k"),
        (["bench.task_data.0.files=EMPTY"], "is empty"),
        (["bench.files.test=EMPTY"], "is empty"),
        (["bench.task_data.0.files=BROKEN"], "BROKEN.jsonl, line 1, character 14: cut off or no JSON"),
        (
            ["bench.task_data.0.prompt='{{nothing}}'"],
            "is undefined; the columns are question, choices, answer",
        ),
        (["trainer.accelerator=mps"], "trainer.accelerator: there is no 'mps' here"),
        (["bench.files.test=TEXT"], "is none of .jsonl, .ndjson, .json, .csv, .tsv, .parquet"),
        (["bench.num_fewshot=500"], "500 shots asked of task 'bench:sums::sums'"),
        (["bench.num_fewshot=40", "bench.truncation=refuse"], "bench.truncation=refuse: task 'sums', document 0"),
        (
            ["bench=sums_generate", "bench.tasks.0.generation_kwargs.max_gen_toks=600"],
            "asks for 600 new tokens, the context of the model has 512",
        ),
        (["bench.metric='f1,none'"], "'f1,none' is none of the metrics of 'sums': acc"),
        (["model.lora_targets=[nope]", "adjustment=lora"], "model.lora_targets: ('nope',)"),
    ],
)
def test_a_request_that_cannot_be_carried_out(
    overrides: list[str], expected: str, conf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in (("EMPTY.jsonl", ""), ("BROKEN.jsonl", '{"question": \n{'), ("TEXT.txt", "x")):
        (tmp_path / name).write_text(content)
    for name in ("EMPTY.jsonl", "BROKEN.jsonl", "TEXT.txt"):
        overrides = [o.replace(name.split(".")[0], str(tmp_path / name)) for o in overrides]
    fixed = ["--config-dir", str(conf), "model=tiny", "bench=sums", "adjustment=smoke", *QUIET]
    chosen = {o.split("=")[0] for o in overrides}
    fixed = [o for o in fixed if o.split("=")[0] not in chosen]
    code, said = ask(capsys, *fixed, *overrides, f"tracking.root={tmp_path / 'mlruns'}")
    assert (code, expected in said) == (2, True), said
    assert "Traceback" not in said
    tracker = Tracker(Tracking(root=str(tmp_path / "mlruns")))
    assert not [run for run in tracker.runs("default/sums", "cell") if run.data.tags["ttt.adjustment"] != "none"]


def test_a_tokenizer_that_lacks_what_is_needed(
    conf: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("eos_token")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    (folder / "chat_template.jinja").unlink()
    fixed = ["--config-dir", str(conf), "model=tiny", "bench=sums", f"tracking.root={tmp_path / 'mlruns'}", *QUIET]
    code, said = ask(capsys, *fixed, f"model.path={folder}")
    assert code == 2
    assert "its tokenizer has no end-of-sequence token" in said
    config["eos_token"] = "<|end|>"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    code, said = ask(capsys, *fixed, f"model.path={folder}", "bench.chat_template=true")
    assert code == 2
    assert "the tokenizer of model 'tiny' has no chat template" in said


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_multirun(conf: Path, tmp_path: Path, launcher: str) -> None:
    """One parent with its children; a job that fails stops no other and is named at the end."""
    here = shutil.copytree(conf, tmp_path / "conf")
    broken = make_tiny_model(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"not weights")
    facts = json.loads((here / "model" / "tiny.yaml").read_text())
    (here / "model" / "broken.yaml").write_text(json.dumps({**facts, "name": "broken", "path": str(broken)}))
    root, out = tmp_path / "mlruns", tmp_path / "out.json"
    done = run(
        "-m",
        *("--config-dir", str(here)),
        *("model=tiny,broken", "bench=sums,sums_generate", "adjustment=none,smoke"),
        *(f"hydra/launcher={launcher}", f"tracking.root={root}", f"output={out}"),
        *QUIET,
        *(["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []),
    )
    assert done.returncode not in (0, None), done.stderr
    assert "4 of 8 jobs failed" in done.stderr
    assert "model=broken bench=sums adjustment=smoke" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    results = json.loads(out.read_text())
    assert [(r["bench"], r["adjustment"]) for r in results] == [
        ("sums", "none"),
        ("sums", "smoke"),
        ("sums_generate", "none"),
        ("sums_generate", "smoke"),
    ]
    tracker = Tracker(Tracking(root=str(root)))
    parents = tracker.client.search_runs([tracker.experiment("default/multirun")])
    assert [parent.info.status for parent in parents] == ["FAILED"]
    assert "model=broken" in parents[0].data.tags["ttt.failure"]
    children = [r for name in ("sums", "sums_generate") for r in tracker.runs(f"default/{name}", "cell")]
    assert len(children) == 4
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parents[0].info.run_id}


@pytest.mark.slow
def test_the_hubs_path(tmp_path: Path) -> None:
    """`model=pythia-70m bench=gsm8k`, unmodified, through `HF_ENDPOINT`."""
    hub = tmp_path / "hub"
    make_tiny_model(hub / "models" / "EleutherAI" / "pythia-70m", context=2048)
    sums = [{"question": f"What is {n} plus 2?", "answer": f"It is {n} + 2.\n#### {n + 2}"} for n in range(30)]
    datasets = {
        "openai/gsm8k": {"main": {"train": sums[:20], "test": sums[20:]}},
        "meta-math/MetaMathQA": {"default": {"train": [{"query": "1 + 1?", "response": "2"}] * 40}},
        "microsoft/orca-math-word-problems-200k": {"default": {"train": [{"question": "2 + 2?", "answer": "4"}] * 40}},
    }
    for repo, configs in datasets.items():
        publish(hub, repo, configs)
    with standing_in(hub) as endpoint:
        out = tmp_path / "out.json"
        environment = {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_OFFLINE": "0",
        }
        argv = ["model=pythia-70m", "bench=gsm8k", f"tracking.root={tmp_path / 'mlruns'}", f"output={out}"]
        done = run(*argv, **environment)
        assert done.returncode == 0, done.stderr
        result = json.loads(out.read_text())
        assert (result["model"], result["bench"], result["adjustment"]) == ("pythia-70m", "gsm8k", "full")
        assert result["n_items"] == 10
        again = run(*argv, **environment)
        assert "done before" in again.stderr
