"""A step in micro-batches: the gradient of the whole step, also where memory runs out in the middle of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cells import request
from tests.engine.test_training import RECIPE, TRAINER, rows, training
from ttt.engine.batches import IGNORED, Batch, Tokens, by_length, collate, cut
from ttt.engine.load import load
from ttt.engine.precision import make_fabric
from ttt.engine.training import step as training_step
from ttt.engine.training.step import TrainingStep, negative_log_likelihood


def gradient(model: torch.nn.Module, groups: list[list[Tokens]]) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    batches = [collate(group) for group in groups]
    n_targets = sum(int((batch.targets != IGNORED).sum()) for batch in batches)
    total = 0.0
    for batch in batches:
        loss = negative_log_likelihood(model, batch) / n_targets  # type: ignore[arg-type]
        loss.backward()
        total += loss.item()
    return total, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_micro_batches_have_the_gradient_of_the_padded_step(conf: Path, tmp_path: Path) -> None:
    """Against transformers' own loss over right-padded rows with the prompt masked."""
    model, _ = load(request(conf, tmp_path).cells[0].model)
    examples = rows(16)
    loss, ours = gradient(model, list(by_length(examples, 128, 1000)))
    length = max(len(row.ids) for row in examples)
    ids = torch.zeros(len(examples), length, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for i, row in enumerate(examples):
        ids[i, : len(row.ids)], mask[i, : len(row.ids)] = torch.tensor(row.ids), 1
        labels[i, len(row.ids) - row.n_targets : len(row.ids)] = torch.tensor(row.ids[-row.n_targets :])
    model.zero_grad()
    reference = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    reference.backward()
    assert loss == pytest.approx(reference.item(), rel=1e-5)
    for name, parameter in model.named_parameters():
        assert torch.allclose(ours[name], parameter.grad, atol=1e-5, rtol=1e-3), name


def test_a_cut_batch_has_the_loss_of_the_whole(conf: Path, tmp_path: Path) -> None:
    model, _ = load(request(conf, tmp_path).cells[0].model)
    whole = collate(rows(11))
    parts = cut(whole, 4)
    assert [index for part in parts for index in part.indices] == whole.indices
    losses = [negative_log_likelihood(model, part).item() for part in parts]
    assert sum(losses) == pytest.approx(negative_log_likelihood(model, whole).item(), rel=1e-5)


def test_out_of_memory_halves_the_micro_batches_and_takes_the_same_steps(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    most = {"rows": 1000.0}

    def in_memory(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        loss = negative_log_likelihood(model, batch)  # type: ignore[arg-type]
        room = most["rows"] + (0.5 if model.is_gradient_checkpointing else 0)
        if len(batch.indices) > room:
            loss.backward()  # what was half done must not stay in the gradient
            raise torch.OutOfMemoryError
        return loss

    monkeypatch.setattr(training_step, "negative_log_likelihood", in_memory)
    ends = []
    for most["rows"] in (1000, 3, 0.5):
        model, _ = load(request(conf, tmp_path).cells[0].model)
        losses: list[float] = []
        training(model, on_step=lambda step, kept=losses: kept.append(step.loss)).to_the_end()
        ends.append((losses, [p.detach().clone() for p in model.parameters()]))
    for losses, weights in ends[1:]:
        assert losses == pytest.approx(ends[0][0], rel=1e-5)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ends[0][1], weights, strict=True))
    assert "going on with micro-batches half as large" in caplog.text
    assert "going on with gradient checkpointing" in caplog.text
    most["rows"] = 0
    with pytest.raises(torch.OutOfMemoryError):
        training(model).to_the_end()


def test_out_of_memory_twice_in_a_step_makes_quarters(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, _ = load(request(conf, tmp_path).cells[0].model)
    sizes: list[int] = []

    def in_memory(model: Any, batch: Batch) -> torch.Tensor:
        sizes.append(len(batch.indices))
        if len(batch.indices) > 4:
            raise torch.OutOfMemoryError
        return negative_log_likelihood(model, batch)

    monkeypatch.setattr(training_step, "negative_log_likelihood", in_memory)
    step = TrainingStep(model, RECIPE, make_fabric(TRAINER), 1)
    step.take(0, [collate([Tokens(index, (1, 2, 3, 4), 2) for index in range(16)])], 1e-3)
    assert sizes == [16, 8, 4, 4, 4, 4]
    assert [record.args or record.message for record in caplog.records] == [
        f"out of memory with {n} examples at a time: going on with micro-batches half as large" for n in (16, 8)
    ]


def test_groups_keep_to_their_budgets() -> None:
    examples = rows(40)
    groups = list(by_length(examples, 150, 12))
    assert sorted(row.index for group in groups for row in group) == list(range(40))
    for group in groups:
        if len(group) > 1:
            assert len(group) * max(len(row.ids) for row in group) <= 150
            assert len(group) * max(row.n_targets for row in group) <= 12
