"""The training loop: a generator that yields the model where the caller wants to score it, with checkpoints to resume.

A rerun after a kill takes the steps that were not taken yet; on one CPU thread it ends with the very weights that it
would have had. The loop is our own, on Lightning's Fabric (device and precision), since the `fit` of its Trainer cannot
be left in the middle and entered again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from ttt.engine import distributed
from ttt.engine.batches import Tokens, by_length, collate
from ttt.engine.logits import n_scored_at_once
from ttt.engine.precision import make_fabric
from ttt.engine.shards import is_sharded
from ttt.engine.training import checkpoints
from ttt.engine.training.data import ExampleSampler
from ttt.engine.training.schedule import LearningRateAt
from ttt.engine.training.step import TrainingStep
from ttt.spec import Adjustment, Trainer
from ttt.stopping import asked, deferred, stop_if_asked

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """What is known after a step. The loss is nats an answer token."""

    step: int
    n_examples: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class Took:
    """What training took, interrupted attempts included. Tokens passed the model; padding is not counted."""

    n_tokens: int
    seconds: float
    """Without what the caller did at the stops."""


@dataclass(frozen=True)
class Keeping:
    """Where checkpoints are kept, and what training begins from."""

    folder: Path | None = None
    """The folder `checkpoints` in it holds them; None keeps nothing."""
    begin_from: Path | None = None
    """A checkpoint of another training to begin from where this one has none."""
    last: bool = False
    """Keep one after the last step, too."""
    before_saving: Callable[[], None] = lambda: None
    """Called before a checkpoint is written, so that what it keeps is never behind the checkpoint."""


class Training:
    """Trains a model in place on the rows that the sampler names.

    `learning_rate_at` gives each step's rate (`ttt.engine.training.schedule`); `on_step` hears of every step.
    A checkpoint is kept every `trainer.checkpoint_minutes`, at the stops, on SIGTERM, and on the way out when an
    exception ends training after a completed step. Where the log fails (`before_saving`), the checkpoint holds the
    steps that it has not kept, and `on_step` hears of them again.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        rows: Mapping[int, Tokens],
        sampler: ExampleSampler,
        recipe: Adjustment,
        learning_rate_at: LearningRateAt,
        trainer: Trainer,
        keeping: Keeping = Keeping(),
        on_step: Callable[[Checkpoint], None] = lambda checkpoint: None,
    ):
        self.model, self.rows, self.sampler, self.recipe = model, rows, sampler, recipe
        self.learning_rate_at, self.trainer, self.keeping, self.on_step = learning_rate_at, trainer, keeping, on_step
        self.folder = keeping.folder and keeping.folder / "checkpoints"
        self.n_done = 0
        """Steps that are in the weights."""
        self.last: Checkpoint | None = None
        self._n_tokens, self._seconds = 0, 0.0
        self._unlogged: list[Checkpoint] = []
        """Steps since `before_saving` was last called with success."""
        self._heard = True
        """`on_step` took the last step."""
        self._saved_at, self._saved_time = 0, time.monotonic()

    @property
    def took(self) -> Took:
        return Took(self._n_tokens, self._seconds)

    def run(self, stops: Sequence[int] | None = None) -> Iterator[Checkpoint]:
        """Train to the last step; yields after each of the `stops` before it, the model in evaluation mode.

        The stops are the recipe's `evaluate_at` by default. A resumed training yields the step of its last checkpoint
        once more if that is a stop: it may have been killed before the caller was done with it.
        Raises NonFiniteLossError before a step that would spoil the weights, and `Stopped` after a checkpoint when
        SIGTERM came. Collective where there are several processes.
        """
        n_steps = self.sampler.n_steps
        wanted = {stop for stop in (self.recipe.evaluate_at if stops is None else stops) if stop < n_steps}
        self._begin()
        if self.n_done in wanted:
            yield self._at_stop()
        for stop in sorted({*wanted, n_steps}):
            if stop > self.n_done:
                self._train_to(stop, save=stop in wanted or self.keeping.last)
                if stop in wanted:
                    yield self._at_stop()
        self._at_stop()
        del self.step  # with the optimiser's state

    def to_the_end(self) -> None:
        """Train without a stop on the way."""
        for _ in self.run(stops=()):
            raise AssertionError("no stop was asked for")

    def _at_stop(self) -> Checkpoint:
        """Leave the model to be scored, without gradients in its memory."""
        assert self.last is not None
        self.step.optimizer.zero_grad()
        self.model.eval()
        return self.last

    def _begin(self) -> None:
        """Take the model to its device and fill it from the last checkpoint, if there is one."""
        start = time.perf_counter()
        last = distributed.on_rank_zero(
            lambda: (self.folder and checkpoints.last_checkpoint(self.folder)) or self.keeping.begin_from
        )
        fabric = make_fabric(self.trainer)
        if self.trainer.gradient_checkpointing:
            self.model.gradient_checkpointing_enable()
        if not is_sharded(self.model):
            self.model.to(fabric.device)  # type: ignore[arg-type]
        self.step = TrainingStep(self.model, self.recipe, fabric, self.sampler.n_steps, self.sampler.seed)
        # Logits, their softmax and their gradient are in memory at once.
        self._n_scored = max(1, n_scored_at_once(self.model) // 4)
        if last:
            self._resume(last)
        self._seconds += time.perf_counter() - start

    def _resume(self, checkpoint: Path) -> None:
        facts = checkpoints.load(checkpoint, self._tensors(), self.step.sharded)
        self.n_done = self._saved_at = checkpoints.step_of(checkpoint)
        self.last = Checkpoint(**facts["last"])
        self._n_tokens, self._seconds = facts["n_tokens"], facts["seconds"]
        for unlogged in facts["unlogged"]:
            self._unlogged.append(Checkpoint(**unlogged))
            self.on_step(self._unlogged[-1])

    def _train_to(self, stop: int, save: bool) -> None:
        self.model.train()
        begun, before = time.perf_counter(), self._seconds
        bar = tqdm(
            total=self.sampler.n_steps, initial=self.n_done, desc="Adjusting", unit="step",
            disable=not self.trainer.progress or distributed.rank() > 0,
        )  # fmt: skip
        try:
            with deferred(), bar:
                while self.n_done < stop:
                    self._take_step()
                    self._seconds = before + time.perf_counter() - begun
                    bar.set_postfix(loss=f"{self.last.loss:.3f}" if self.last else "")
                    bar.update()
                    self._after_step(save and self.n_done == stop)
        except BaseException:
            self._save_on_the_way_out()
            raise

    def _take_step(self) -> None:
        step = self.n_done
        rows = [self.rows[index] for index in self.sampler.examples_at(step)]
        batches = [collate(group) for group in by_length(rows, self.trainer.train_tokens, self._n_scored)]
        loss = self.step.take(step, batches, self.learning_rate_at(step))
        self.n_done = step + 1
        self._n_tokens += sum(int(batch.attention_mask.sum()) for batch in batches)
        self.last = Checkpoint(self.n_done, self.sampler.n_seen(self.n_done), loss, self.learning_rate_at(step))
        self._unlogged.append(self.last)

    def _after_step(self, save: bool) -> None:
        """Report the step, and write a checkpoint where one is due in any process: shards are written by all."""
        assert self.last is not None
        failure: BaseException | None = None
        self._heard = False
        try:
            self.on_step(self.last)
            self._heard = True
        except BaseException as error:  # raised once the checkpoint is there
            failure = error
        late = time.monotonic() - self._saved_time > 60 * self.trainer.checkpoint_minutes
        if self.folder and distributed.any_rank(save or late or asked() or failure is not None):
            self._save()
        if failure is not None:
            raise failure
        stop_if_asked()

    def _save(self) -> None:
        assert self.folder is not None
        assert self.last is not None
        failure: BaseException | None = None
        try:
            self.keeping.before_saving()
            self._unlogged = [] if self._heard else [self.last]
        except BaseException as error:  # the checkpoint then holds what the log does not
            failure = error
        facts = {
            "last": asdict(self.last),
            "n_tokens": self._n_tokens,
            "seconds": self._seconds,
            "unlogged": [asdict(checkpoint) for checkpoint in self._unlogged],
        }
        self._saved_at, self._saved_time = self.n_done, time.monotonic()
        self.step.optimizer.zero_grad()  # the step is taken, and writing needs the room
        checkpoints.save(self.folder, self.n_done, self._tensors(), facts, self.step.sharded)
        if failure is not None:
            raise failure

    def _save_on_the_way_out(self) -> None:
        """Keep the last completed step, unless the weights are half updated or other processes would have to help."""
        if self.folder and distributed.n_ranks() == 1 and not self.step.updating and self.n_done > self._saved_at:
            try:
                self._save()
            except Exception as error:  # what ended training is raised, not this
                log.warning(f"no checkpoint of step {self.n_done} was left: {type(error).__name__}: {error}")

    def _tensors(self) -> dict[str, Any]:
        """The trained weights and the optimiser's state, by parameter, as they are in memory."""
        weights, states = {}, {}
        for name, parameter in self.step.model.named_parameters():
            if parameter.requires_grad:
                weights[name] = parameter.detach()
                states[name] = self.step.optimizer.state[parameter] or _new_state(parameter)
                self.step.optimizer.state[parameter] = states[name]
        return {"weights": weights, "optimizer": states}


def _new_state(parameter: torch.nn.Parameter) -> dict[str, Any]:
    """AdamW's state before its first step, as it makes it itself."""
    moments = {name: torch.zeros_like(parameter.detach()) for name in ("exp_avg", "exp_avg_sq")}
    return {"step": torch.tensor(0.0), **moments}
