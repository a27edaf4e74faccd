"""The backend against lm-eval's own `hf` backend: the same model, documents and requests, in float32."""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import lm_eval.utils
import numpy as np
import pytest
import torch
from lm_eval.evaluator import evaluate as harness_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from tests.cells import request
from ttt.engine.lm import Backend
from ttt.engine.load import load
from ttt.spec import Bench, Trainer
from ttt.tasks.bench import load_tasks

CPU = Trainer(precision="32", threads=1, progress=False, eval_tokens=3000)


def both(model: Any, tokenizer: Any, bench: Bench, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """lm-eval's results by our backend and by `hf`."""
    options = {"limit": bench.limit, "bootstrap_iters": 0, "apply_chat_template": bench.chat_template, **options}
    ours = harness_evaluate(Backend(model, tokenizer, CPU), load_tasks(bench), **options)
    theirs_lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4, device="cpu")
    theirs = harness_evaluate(theirs_lm, load_tasks(bench), **options)
    return ours, theirs


def assert_equal(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """The same prompts, log-likelihoods within 1e-4, the same greedy flags and generations, the same metrics."""
    for task in theirs["samples"]:
        mine, reference = ours["samples"][task], theirs["samples"][task]
        assert len(mine) == len(reference) > 0
        for a, b in zip(mine, reference, strict=True):
            assert a["prompt_hash"] == b["prompt_hash"]
            for x, y in zip(a["filtered_resps"], b["filtered_resps"], strict=True):
                if isinstance(y, str):
                    assert x == y
                else:
                    assert x[0] == pytest.approx(y[0], abs=1e-4)
                    assert x[1] == y[1]
        for name, value in theirs["results"][task].items():
            if isinstance(value, float):
                assert ours["results"][task][name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("bench", ["sums", "sums_cloze", "sums_generate"])
@pytest.mark.parametrize("chat", [False, True])
def test_parity_on_a_tiny_model(conf: Path, tmp_path: Path, bench: str, chat: bool) -> None:
    cell = request(conf, tmp_path, f"bench.chat_template={str(chat).lower()}", bench=bench, adjustment="none").cells[0]
    model, tokenizer = load(cell.model)
    ours, theirs = both(model, tokenizer, cell.bench)
    assert_equal(ours, theirs)


@pytest.mark.parametrize("name", ["sums", "sums_cloze", "sums_generate"])
def test_tasks_are_lm_evals_where_no_rule_is_ours(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Loaded by lm-eval alone, without shots, the same definition gives the same prompts, targets and requests."""
    bench = request(conf, tmp_path, "bench.num_fewshot=0", bench=name, adjustment="none").cells[0].bench
    (ours,) = load_tasks(bench)["tasks"].values()
    assert isinstance(bench.tasks[0], dict)
    files = {"dataset_path": "json", "dataset_kwargs": {"data_files": dict(bench.files)}}
    mine = requests_of(ours)
    spec = find_spec("lm_eval.utils")
    assert spec
    assert spec.loader
    spec.loader.exec_module(untouched := module_from_spec(spec))
    monkeypatch.setattr(lm_eval.utils, "env", untouched.env)  # lm-eval's own Jinja
    (theirs,) = TaskManager(include_defaults=False).load([{**bench.tasks[0], **files}])["tasks"].values()
    asked = requests_of(theirs)
    assert len(asked) >= len(theirs.eval_docs) == 40
    assert mine == asked
    assert list(ours.aggregation()) == list(theirs.aggregation())
    assert ours.higher_is_better() == theirs.higher_is_better()


def requests_of(task: Any) -> list[tuple[Any, ...]]:
    task.build_all_requests(limit=None, rank=0, world_size=1)
    targets = {id(doc): task.doc_to_target(doc) for doc in (request.doc for request in task.instances)}
    return [(request.doc_id, request.idx, request.args, targets[id(request.doc)]) for request in task.instances]


@pytest.mark.parametrize("shots", ["", "Shots that all of them have. " * 3])
def test_sequences_come_and_go(conf: Path, tmp_path: Path, shots: str) -> None:
    """Prompts of many lengths through three places give what transformers' own `generate` gives one by one."""
    from ttt.engine.scoring.decoding import GreedyDecoder, GreedyPrompts

    model, tokenizer = load(request(conf, tmp_path).cells[0].model)
    prompts = [(i, tuple(tokenizer.encode(shots + "What? " * (1 + i * 7 % 11)))) for i in range(10)]
    work = GreedyPrompts(prompts, until=("?",), n_new=15, n_rows=3, n_tokens=300, progress=False)
    ours = dict(GreedyDecoder(model, tokenizer).decode(work))
    for index, ids in prompts:
        reference = model.generate(
            torch.tensor([ids]),
            max_new_tokens=15,
            do_sample=False,
            stop_strings=["?"],
            tokenizer=tokenizer,
            pad_token_id=0,
        )
        assert ours[index] == reference[0, len(ids) :].tolist()


@pytest.mark.parametrize("bench", ["sums", "sums_cloze"])
def test_shared_and_plain_paths_agree(conf: Path, tmp_path: Path, bench: str) -> None:
    cell = request(conf, tmp_path, "bench.num_fewshot=5", bench=bench, adjustment="none").cells[0]
    model, tokenizer = load(cell.model)
    n_tokens, results = [], []
    for shares in (True, False):
        backend = Backend(model, tokenizer, CPU)
        assert backend.reuses_prefixes, "a GPT-NeoX can"
        backend.reuses_prefixes = shares
        results.append(harness_evaluate(backend, load_tasks(cell.bench), bootstrap_iters=0))
        n_tokens.append(backend.n_tokens)
    assert_equal(*results)
    assert n_tokens[0] < 0.5 * n_tokens[1]


def test_parity_when_prompts_are_cut(conf: Path, tmp_path: Path) -> None:
    cell = request(conf, tmp_path, "bench.num_fewshot=20", adjustment="none").cells[0]
    model, tokenizer = load(cell.model)
    ours, theirs = both(model, tokenizer, cell.bench)
    assert_equal(ours, theirs)


def test_rolling_likelihood(tiny_model: Path, conf: Path, tmp_path: Path) -> None:
    from lm_eval.api.instance import Instance

    model, tokenizer = load(request(conf, tmp_path).cells[0].model)
    texts = ["A few words, and then some more. " * n for n in (1, 5, 40)]
    requests = [Instance("loglikelihood_rolling", {}, (text,), i) for i, text in enumerate(texts)]
    ours = Backend(model, tokenizer, CPU).loglikelihood_rolling(requests)
    theirs = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=2, device="cpu").loglikelihood_rolling(requests)
    assert np.allclose(ours, theirs, atol=1e-3, rtol=1e-6)


def test_what_is_scored_is_what_is_learnt(conf: Path, tmp_path: Path) -> None:
    """One rendering: the tokens of a training example are those of the scored pair, and an end-of-sequence token."""
    from ttt.engine.training.data import encode
    from ttt.tasks.task_data import Example

    model, tokenizer = load(request(conf, tmp_path).cells[0].model)
    backend = Backend(model, tokenizer, CPU)
    for prompt, answer in (("Question?\nAnswer:", " B"), ("Question? ", "B"), ("a\n", " two words")):
        context, continuation = backend._encode_pair(prompt, answer)
        rows, n_cut = encode(backend, {3: Example(prompt, answer)}, 600, chat=False)
        assert list(rows[3].ids) == [*context, *continuation, tokenizer.eos_token_id]
        assert rows[3].n_targets == len(continuation) + 1
        assert not n_cut
    rows, n_cut = encode(backend, {0: Example("long " * 50, " B")}, 20, chat=False)
    assert len(rows[0].ids) == 20
    assert n_cut == 1
    assert rows[0].ids[-1] == tokenizer.eos_token_id
