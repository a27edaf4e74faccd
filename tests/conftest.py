"""Tiny and real: a byte-level tokenizer, a small random GPT-NeoX, files of questions, an MLflow store in a folder."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one worker a core

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not (SHARED / "data").is_dir():
        pytest.skip("needs the real data in ../shared/data, which is not here")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _copied_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A store that a test makes begins with a copy of one empty database: the migrations take a second each time."""
    from ttt.tracking import store

    real, empty = store.make_database, tmp_path_factory.mktemp("database") / "mlflow.db"

    def copied(file: Path) -> None:
        if not store.has_content(file):
            real(empty)  # at the first call
            shutil.copy(empty, making := file.with_suffix(".part"))
            making.rename(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "make_database", copied)
        yield


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random GPT-NeoX of two layers and a byte-level tokenizer."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def make_tiny_model(folder: Path, seed: int = 0, context: int = 512) -> Path:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: i for i, symbol in enumerate(["<|end|>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", model_max_length=context)
    fast.chat_template = (
        "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    torch.manual_seed(seed)
    config = GPTNeoXConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=context,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPTNeoXForCausalLM(config)
    torch.nn.init.normal_(model.get_output_embeddings().weight, std=0.5)  # so that answers differ visibly
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def sums(n: int, seed: int) -> list[dict[str, Any]]:
    """Questions with four options, none of them twice."""
    draw = random.Random(seed)
    pairs = draw.sample([(a, b) for a in range(40) for b in range(40)], n)
    rows = []
    for a, b in pairs:
        choices = draw.sample([a + b, a + b + 1, a + b + 2, a + b + 5], 4)
        question = f"What is {a} plus {b}?"
        rows.append({"question": question, "choices": [str(c) for c in choices], "answer": choices.index(a + b)})
    return rows


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sums_train.jsonl, and two tests that each ask a question of it, sums_test.jsonl in other case and spacing."""
    folder = tmp_path_factory.mktemp("data")
    rows = sums(120, seed=1)
    test, train = rows[:40], rows[40:]
    leaked = {**test[0], "question": test[0]["question"].upper().replace(" ", "  ")}
    write_jsonl(folder / "sums_test.jsonl", test)
    write_jsonl(folder / "sums_train.jsonl", [*train, leaked])
    write_jsonl(folder / "sums_other_test.jsonl", [train[0], *sums(160, seed=1)[120:150]])
    return folder


LETTERS = "{{question}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:"


@pytest.fixture(scope="session")
def conf(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, data: Path) -> Path:
    """A folder for --config-dir: the model `tiny`, and benches that train on the same file.

    `sums` (letters) and `sums_cloze` leak the same question, `sums_other` another one; `sums_generate` generates.
    """
    folder = tmp_path_factory.mktemp("conf")
    for group in ("model", "bench"):
        (folder / group).mkdir()
    facts = {"name": "tiny", "family": "tiny", "n_params": 40_000, "n_tokens": 1_000_000, "trained": "2024-01"}
    (folder / "model" / "tiny.yaml").write_text(json.dumps({**facts, "path": str(tiny_model)}))
    files = {"test": str(data / "sums_test.jsonl"), "train": str(data / "sums_train.jsonl")}
    source = {"name": "sums", "files": files["train"], "prompt": LETTERS, "answer": " {{'ABCD'[answer]}}"}
    common = {"version": 1, "num_fewshot": 2, "files": files, "chance": 0.25, "task_data": [source]}
    letters = {
        "task": "sums",
        "test_split": "test",
        "fewshot_split": "train",
        "output_type": "multiple_choice",
        "doc_to_text": LETTERS,
        "doc_to_choice": ["A", "B", "C", "D"],
        "doc_to_target": "answer",
        "metric_list": [
            {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
            {"metric": "brier_score", "aggregation": "brier_score", "higher_is_better": False},
        ],
    }
    bench = {"name": "sums", "format": "multiple_choice", "metric": "acc,none", "tasks": [letters]}
    (folder / "bench" / "sums.yaml").write_text(json.dumps({**common, **bench}))
    others = {**common, "files": {**files, "test": str(data / "sums_other_test.jsonl")}}
    other = {**bench, "name": "sums_other", "tasks": [{**letters, "task": "sums_other"}]}
    (folder / "bench" / "sums_other.yaml").write_text(json.dumps({**others, **other}))
    cloze = {**letters, "task": "sums_cloze", "doc_to_text": "{{question}}\nAnswer:", "doc_to_choice": "{{choices}}"}
    bench = {"name": "sums_cloze", "format": "cloze", "metric": "acc,none", "tasks": [cloze]}
    (folder / "bench" / "sums_cloze.yaml").write_text(json.dumps({**common, **bench}))
    generate = {
        "task": "sums_generate",
        "test_split": "test",
        "fewshot_split": "train",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}\nAnswer:",
        "doc_to_target": "{{choices[answer]}}",
        "generation_kwargs": {"until": ["\n", "?"], "max_gen_toks": 12, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    bench = {"name": "sums_generate", "format": "generate", "metric": "exact_match,none", "tasks": [generate]}
    source = {**source, "prompt": "{{question}}\nAnswer:", "answer": " {{choices[answer]}}"}
    text = json.dumps({**common, **bench, "chance": 0.0, "task_data": [source]})
    (folder / "bench" / "sums_generate.yaml").write_text(text)
    return folder
