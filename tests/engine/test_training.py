"""Training: the same plan for every model, stopped by what is not finite, resumed where it stopped."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cells import request
from ttt.engine.batches import Batch, Tokens
from ttt.engine.load import digest, load
from ttt.engine.training import step as training_step
from ttt.engine.training.checkpoints import last_checkpoint, step_of
from ttt.engine.training.data import ExampleSampler
from ttt.engine.training.loop import Checkpoint, Keeping, Training
from ttt.engine.training.schedule import schedule
from ttt.engine.training.step import NonFiniteLossError, TrainingStep, negative_log_likelihood, optimizer
from ttt.spec import Adjustment, Trainer


def rows(n: int) -> list[Tokens]:
    generator = torch.Generator().manual_seed(0)
    out = []
    for index in range(n):
        length = int(torch.randint(8, 60, (1,), generator=generator))
        ids = torch.randint(1, 256, (length,), generator=generator).tolist()
        out.append(Tokens(index, tuple(ids), 1 + index % 5))
    return out


RECIPE = Adjustment(name="few", method="full", examples=32, batch_size=16)
TRAINER = Trainer(accelerator="cpu", precision="32", threads=1, progress=False, train_tokens=8 * 60)


def training(model: Any, recipe: Adjustment = RECIPE, folder: Path | None = None, **options: Any) -> Training:
    examples = {row.index: row for row in rows(32)}
    sampler = ExampleSampler(32, recipe.examples or 0, recipe.batch_size, 0)
    rate = schedule(recipe, 1e-3, sampler.n_steps)
    keeping = options.pop("keeping", Keeping(folder))
    trainer = options.pop("trainer", TRAINER)
    return Training(model, examples, sampler, recipe, rate, trainer, keeping, **options)


@pytest.fixture
def model(conf: Path, tmp_path: Path) -> Any:
    return load(request(conf, tmp_path).cells[0].model)[0]


def test_an_infinite_gradient_at_a_finite_loss_stops_before_the_update(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the square root's gradient at zero: the loss is as it was."""

    def steep(model: Any, batch: Batch) -> torch.Tensor:
        zero = next(model.parameters()).flatten()[0] * 0
        return negative_log_likelihood(model, batch) + (zero.sqrt() if len(heard) else 0)

    heard: list[Checkpoint] = []
    monkeypatch.setattr(training_step, "negative_log_likelihood", steep)
    kept: list[torch.Tensor] = []

    def on_step(step: Checkpoint) -> None:
        heard.append(step)
        kept[:] = [p.detach().clone() for p in model.parameters()]

    with pytest.raises(NonFiniteLossError, match=r"gradient's norm is (nan|inf) at step 2 of 2, on the examples \[\d+"):
        training(model, on_step=on_step).to_the_end()
    assert len(heard) == 1
    assert all(torch.equal(a, b) for a, b in zip(kept, model.parameters(), strict=True))


LONGER = RECIPE.model_copy(update={"examples": 100, "evaluate_at": (2, 4)})
"""Seven steps."""


def test_training_yields_the_model_at_its_stops_and_goes_on(model: Any, tmp_path: Path) -> None:
    steps, stops, states = [], [], set()
    run = training(model, LONGER, tmp_path, on_step=lambda step: steps.append(step.step))
    for checkpoint in run.run():
        assert not model.training
        assert steps[-1] == checkpoint.step
        stops.append((checkpoint.step, checkpoint.n_examples))
        states.add(digest(model))
    assert stops == [(2, 32), (4, 64)]
    assert steps == [*range(1, 8)]
    assert len({*states, digest(model)}) == 3
    assert not model.training
    assert run.took.n_tokens > 0


def test_a_resumed_training_yields_its_stop_once_more_and_ends_with_the_same_weights(
    conf: Path, tmp_path: Path
) -> None:
    whole, other, again = (load(request(conf, tmp_path).cells[0].model)[0] for _ in range(3))
    undisturbed = training(whole, LONGER)
    undisturbed.to_the_end()
    at_stop = [digest(other) for _ in zip(range(1), training(other, LONGER, tmp_path).run(), strict=False)]
    resumed = training(again, LONGER, tmp_path)
    stops = [(checkpoint.step, digest(again)) for checkpoint in resumed.run()]
    assert [step for step, _ in stops] == [2, 4]
    assert stops[0][1] == at_stop[0]
    assert digest(again) == digest(whole)
    assert resumed.took.n_tokens == undisturbed.took.n_tokens


class LogIsGoneError(Exception):
    pass


@pytest.mark.parametrize("error", [LogIsGoneError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["on_step", "forward", "before_saving"])
def test_whatever_ends_training_leaves_a_checkpoint_of_the_last_completed_step(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], where: str
) -> None:
    whole, model, again = (load(request(conf, tmp_path).cells[0].model)[0] for _ in range(3))
    logged: dict[int, float] = {}
    undisturbed: dict[int, float] = {}
    training(whole, LONGER, on_step=lambda step: undisturbed.update({step.step: step.loss})).to_the_end()
    broken = {"now": True}

    def on_step(step: Checkpoint) -> None:
        if where == "on_step" and step.step == 3 and broken["now"]:
            raise error
        logged[step.step] = step.loss

    def before_saving() -> None:
        if broken["now"] and where == "before_saving":
            logged.clear()  # what was not kept yet is lost with the process
            raise error

    def forward(model: Any, batch: Batch) -> torch.Tensor:
        if where == "forward" and len(logged) == 3 and broken["now"]:
            raise error
        return negative_log_likelihood(model, batch)

    monkeypatch.setattr(training_step, "negative_log_likelihood", forward)
    keeping = Keeping(tmp_path, before_saving=before_saving)
    with pytest.raises(error):
        for _ in training(model, LONGER, keeping=keeping, on_step=on_step).run(stops=[5]):
            pass
    newest = last_checkpoint(tmp_path / "checkpoints")
    assert newest is not None
    assert step_of(newest) == (5 if where == "before_saving" else 3)
    broken["now"] = False
    resumed: list[int] = []
    monkeypatch.setattr(TrainingStep, "take", counted(TrainingStep.take, resumed))
    training(again, LONGER, keeping=keeping, on_step=on_step).to_the_end()
    assert resumed == [*range(step_of(newest), 7)], "no step is taken twice"
    assert digest(again) == digest(whole)
    assert logged == undisturbed, "no step is missing from the log"


def counted(take: Any, steps: list[int]) -> Any:
    def counting(self: TrainingStep, step: int, *arguments: Any) -> float:
        steps.append(step)
        return float(take(self, step, *arguments))

    return counting


def test_half_an_update_is_never_kept(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = torch.optim.AdamW.step

    def interrupted(self: torch.optim.AdamW, *arguments: Any, **options: Any) -> Any:
        if steps:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)

    steps: list[Checkpoint] = []
    monkeypatch.setattr(torch.optim.AdamW, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training(model, LONGER, tmp_path, on_step=steps.append).to_the_end()
    assert last_checkpoint(tmp_path / "checkpoints") is None


def test_the_sampler_sees_every_example_once_an_epoch() -> None:
    sampler = ExampleSampler(n_available=50, n_examples=125, batch_size=16, seed=3)
    assert sampler.n_steps == 8
    seen = [index for step in range(sampler.n_steps) for index in sampler.examples_at(step)]
    assert len(seen) == 125
    assert set(Counter(seen[:50]).values()) == {1}
    assert set(Counter(seen[50:100]).values()) == {1}
    assert seen[:50] != seen[50:100]
    other = ExampleSampler(50, 125, 16, seed=4)
    assert [other.examples_at(s) for s in range(8)] != [sampler.examples_at(s) for s in range(8)]


def test_the_papers_schedule() -> None:
    recipe = Adjustment(name="full", method="full", epochs=3)
    at = schedule(recipe, 2e-5, n_steps=1000)
    rates = [at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(2e-6)
    assert rates[9] == rates[10] == 2e-5
    assert rates[-1] == pytest.approx(2e-6, rel=1e-2)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    groups = optimizer(torch.nn.Linear(2, 2), recipe).param_groups  # type: ignore[arg-type]
    assert [(group["weight_decay"], [p.dim() for p in group["params"]]) for group in groups] == [(0.1, [2]), (0.0, [1])]


@pytest.mark.parametrize(("name", "rate"), [("pythia-1b", 2e-5), ("pythia-12b", 2e-6), ("gemma-7b", 2e-6)])
def test_the_learning_rate_is_a_rule_of_size(name: str, rate: float) -> None:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from ttt.cli.command import CONF
    from ttt.run import parse

    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("run", overrides=[f"model={name}"])
    cell = parse(OmegaConf.to_container(config, resolve=True)).cells[0]  # type: ignore[arg-type]
    assert cell.adjustment.rate(cell.model) == rate
