"""Evaluation against lm-eval's `hf` backend and its best batch size, and against ourselves in bf16."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from lm_eval.evaluator import evaluate as harness_evaluate
from lm_eval.models.huggingface import HFLM

from tests.performance.model import DATA
from tests.performance.pairs import Line, compare, seconds
from ttt.engine.lm import Backend
from ttt.spec import Bench, Trainer
from ttt.tasks.bench import load_tasks


def inline(name: str, text: str, choice: Any, target: str, files: dict[str, str], shots: int, **options: Any) -> Bench:
    task = {
        "task": name,
        "test_split": "validation",
        "fewshot_split": "train",
        "output_type": "multiple_choice",
        "doc_to_text": text,
        "doc_to_choice": choice,
        "doc_to_target": target,
        **options.pop("task", {}),
    }
    common: dict[str, Any] = {"version": 1, "format": "cloze", "chance": 0.25, "metric": "acc,none"}
    return Bench(name=name, tasks=(task,), files=files, num_fewshot=shots, **common, **options)


def benches(share: float) -> dict[str, Bench]:
    """The lines of evaluation, on a share of the documents that they want."""
    csqa = {"train": f"{DATA}/commonsense_qa/train.jsonl", "validation": f"{DATA}/commonsense_qa/validation.jsonl"}
    mmlu = {split: f"{DATA}/mmlu/{split}.jsonl" for split in ("test", "dev")}
    gsm = {split: f"{DATA}/gsm8k/{split}.jsonl" for split in ("test", "train")}
    letters = "{{question}}\n{% for c in choices[:4] %}{{'ABCD'[loop.index0]}}. {{c}}\n{% endfor %}Answer:"
    fixed = {"fewshot_config": {"sampler": "first_n"}}
    four = "{{[answer, 0]|select('lt', 4)|first}}"
    return {
        "MMLU 5-shot, 3 subjects": Bench(
            name="mmlu_speed",
            version=1,
            format="multiple_choice",
            chance=0.25,
            metric="acc,none",
            num_fewshot=5,
            tasks=("mmlu_astronomy", "mmlu_virology", "mmlu_marketing"),
            files=mmlu,
            files_by="subject",
            limit=round(96 * share),
        ),
        "cloze, 10 fixed shots, 4 endings": inline(
            "cloze_speed",
            "Question: {{question}}\nAnswer:",
            "{{choices[:4]}}",
            four,
            csqa,
            10,
            task=fixed,
            limit=round(64 * share),
        ),
        "multiple choice, 25 shots a document": inline(
            "letters_speed", letters, ["A", "B", "C", "D"], four, csqa, 25, limit=round(32 * share)
        ),
        "GSM8K 5-shot generation": Bench(
            name="gsm8k_speed",
            version=1,
            format="generate",
            chance=0.0,
            metric="exact_match,flexible-extract",
            num_fewshot=5,
            tasks=("gsm8k",),
            files=gsm,
            limit=round(64 * share),
        ),
    }


def answers(results: dict[str, Any]) -> list[Any]:
    return [sample["filtered_resps"] for samples in results["samples"].values() for sample in samples]


def differences(a: list[Any], b: list[Any]) -> str:
    """Of generated texts how many are equal; of log-likelihoods the largest difference, and which choices flip."""
    if isinstance(a[0][0], str):
        return f"{sum(x == y for x, y in zip(a, b, strict=True))} of {len(a)} answers equal"
    chosen = [max(range(len(of)), key=lambda i, of=of: of[i][0]) for of in (*a, *b)]
    flips = sum(x != y for x, y in zip(chosen[: len(a)], chosen[len(a) :], strict=True))
    largest = max(
        abs(x[0] - y[0]) for first, second in zip(a, b, strict=True) for x, y in zip(first, second, strict=True)
    )
    return f"log-likelihoods within {largest:.0e}, {flips} of {len(a)} choices differ"


def evaluation(model: Any, tokenizer: Any, share: float, rounds: int, only: str) -> Iterator[Line]:
    for name, bench in benches(share).items():
        if only not in name:
            continue
        tasks = load_tasks(bench)
        options: dict[str, Any] = {"task_dict": tasks, "limit": bench.limit, "bootstrap_iters": 0}
        backend = Backend(model, tokenizer, Trainer(precision="32", progress=False))
        sizes = {size: HFLM(pretrained=model, tokenizer=tokenizer, batch_size=size, device="cpu") for size in (1, 8)}
        small = {**options, "limit": max(1, (bench.limit or 1) // 4)}
        timed = {size: seconds(partial(harness_evaluate, lm, **small))[0] for size, lm in sizes.items()}
        best = min(timed, key=lambda size: timed[size])

        def ours(backend: Any = backend, options: Any = options) -> list[Any]:
            return answers(harness_evaluate(backend, **options))

        def peer(lm: Any = sizes[best], options: Any = options) -> list[Any]:
            return answers(harness_evaluate(lm, **options))

        n = len(tasks["tasks"]) * (bench.limit or 0)
        named = f"{name} ({n} documents; hf at batch size {best})"
        n_tokens = lambda backend=backend: backend.n_tokens // rounds  # noqa: E731
        yield compare(named, ours, peer, rounds, n_tokens, 2, differences)
        if "MMLU" not in name:
            continue
        halved = Backend(model, tokenizer, Trainer(precision="bf16", progress=False))

        def in_bf16(backend: Any = halved, options: Any = options) -> list[Any]:
            return answers(harness_evaluate(backend, **options))

        named = "the same, ours in bf16 (peer: ours in float32)"
        n_tokens = lambda backend=halved: backend.n_tokens // rounds  # noqa: E731
        yield compare(named, in_bf16, ours, rounds, n_tokens, 2, differences)
