"""Adjusting against transformers' Trainer with the padding of the paper's release."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import Trainer as PeerTrainer
from transformers import TrainingArguments

from tests.performance.model import DATA
from tests.performance.pairs import Line, compare
from ttt.engine.lm import Backend
from ttt.engine.training.data import ExampleSampler, encode
from ttt.engine.training.loop import Keeping, Training
from ttt.engine.training.schedule import schedule
from ttt.spec import Adjustment, Bench, TaskDataset, Trainer
from ttt.tasks.task_data import load_task_data


def adjusting(model: Any, tokenizer: Any, n: int, rounds: int) -> Line:
    """One epoch over `n` examples against transformers' Trainer with the paper's padding."""
    source = TaskDataset(
        name="gsm8k",
        files=f"{DATA}/gsm8k/train.jsonl",
        prompt="Question: {{question}}\nAnswer:",
        answer=" {{answer}}",
    )
    facts: dict[str, Any] = {
        "version": 1,
        "format": "generate",
        "chance": 0.0,
        "metric": "exact_match,flexible-extract",
    }
    bench = Bench(name="gsm8k_speed", tasks=("gsm8k",), task_data=(source,), **facts)
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
            sampler, keeping = ExampleSampler(n, n, 64, 0), Keeping(Path(folder))
            rate = schedule(recipe, 2e-5, sampler.n_steps)
            losses: list[float] = []
            training = Training(
                model, rows, sampler, recipe, rate, trainer, keeping, lambda step: losses.append(step.loss)
            )
            training.to_the_end()
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
