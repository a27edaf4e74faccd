"""The optimiser step: exact over micro-batches, the same plan for every model, resumed where it stopped."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tests.cells import request
from ttt.engine.batches import IGNORED, Batch, Tokens, by_length, collate, cut
from ttt.engine.load import load
from ttt.engine.training import module as adjustment
from ttt.engine.training.loop import fit
from ttt.engine.training.module import AdjustmentModule, Plan, negative_log_likelihood
from ttt.spec import Adjustment, Trainer


def rows(n: int) -> list[Tokens]:
    generator = torch.Generator().manual_seed(0)
    out = []
    for index in range(n):
        length = int(torch.randint(8, 60, (1,), generator=generator))
        ids = torch.randint(1, 256, (length,), generator=generator).tolist()
        out.append(Tokens(index, tuple(ids), 1 + index % 5))
    return out


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
    model, _ = load(request(conf, tmp_path).cell.model)
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
    model, _ = load(request(conf, tmp_path).cell.model)
    whole = collate(rows(11))
    parts = cut(whole, 4)
    assert [index for part in parts for index in part.indices] == whole.indices
    losses = [negative_log_likelihood(model, part).item() for part in parts]
    assert sum(losses) == pytest.approx(negative_log_likelihood(model, whole).item(), rel=1e-5)


def test_out_of_memory_halves_the_micro_batches_and_takes_the_same_steps(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    examples = {row.index: row for row in rows(32)}
    recipe = Adjustment(name="few", method="full", examples=32, batch_size=16)
    trainer = Trainer(accelerator="cpu", precision="32", threads=1, progress=False, train_tokens=8 * 60)
    most = {"rows": 1000.0}

    def in_memory(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        loss = negative_log_likelihood(model, batch)  # type: ignore[arg-type]
        room = most["rows"] + (0.5 if model.is_gradient_checkpointing else 0)
        if len(batch.indices) > room:
            loss.backward()  # what was half done must not stay in the gradient
            raise torch.OutOfMemoryError
        return loss

    monkeypatch.setattr(adjustment, "negative_log_likelihood", in_memory)
    ends = []
    for most["rows"] in (1000, 3, 0.5):
        model, _ = load(request(conf, tmp_path).cell.model)
        losses: list[float] = []
        fit(
            model,
            examples,
            Plan(32, 32, 16, 0),
            recipe,
            1e-3,
            trainer,
            None,
            lambda step, heard=losses: heard.append(step.loss),
        )
        ends.append((losses, [p.detach().clone() for p in model.parameters()]))
    for losses, weights in ends[1:]:
        assert losses == pytest.approx(ends[0][0], rel=1e-5)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ends[0][1], weights, strict=True))
    assert "going on with micro-batches half as large" in caplog.text
    assert "going on with gradient checkpointing" in caplog.text
    most["rows"] = 0
    with pytest.raises(torch.OutOfMemoryError):
        fit(model, examples, Plan(32, 32, 16, 0), recipe, 1e-3, trainer, None)


def test_the_plan_sees_every_example_once_an_epoch() -> None:
    plan = Plan(n_available=50, n_examples=125, batch_size=16, seed=3)
    assert plan.n_steps == 8
    seen = [index for step in range(plan.n_steps) for index in plan.examples_at(step)]
    assert len(seen) == 125
    assert set(Counter(seen[:50]).values()) == {1}
    assert set(Counter(seen[50:100]).values()) == {1}
    assert seen[:50] != seen[50:100]
    other = Plan(50, 125, 16, seed=4)
    assert [other.examples_at(s) for s in range(8)] != [plan.examples_at(s) for s in range(8)]


def test_the_papers_schedule() -> None:
    adjustment = Adjustment(name="full", method="full", epochs=3)
    module = AdjustmentModule(torch.nn.Linear(2, 2), adjustment, 2e-5, n_steps=1000)  # type: ignore[arg-type]
    rates = [module.rate_at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert [(group["weight_decay"], [p.dim() for p in group["params"]]) for group in groups] == [(0.1, [2]), (0.0, [1])]


@pytest.mark.parametrize(("name", "rate"), [("pythia-1b", 2e-5), ("pythia-12b", 2e-6), ("gemma-7b", 2e-6)])
def test_the_learning_rate_is_a_rule_of_size(name: str, rate: float) -> None:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from ttt.cli.command import CONF
    from ttt.run import parse

    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("run", overrides=[f"model={name}"])
    cell = parse(OmegaConf.to_container(config, resolve=True)).cell  # type: ignore[arg-type]
    assert cell.adjustment.rate(cell.model) == rate


def test_groups_keep_to_their_budgets() -> None:
    examples = rows(40)
    groups = list(by_length(examples, 150, 12))
    assert sorted(row.index for group in groups for row in group) == list(range(40))
    for group in groups:
        if len(group) > 1:
            assert len(group) * max(len(row.ids) for row in group) <= 150
            assert len(group) * max(row.n_targets for row in group) <= 12
