"""From a resolved request to finished cells: base scores, the adjusted model, adjusted scores. Knows no Hydra."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any, TypeVar

from ttt.cell.adjusted import AdjustedModel, finished
from ttt.cell.adjusting import adjusted_model
from ttt.cell.card import paired
from ttt.cell.complete import complete
from ttt.cell.evaluation import Evaluation
from ttt.cell.group import CellGroup, groups_of, refuse_if_passed
from ttt.cell.log import Scored, log_adjusted, log_base, log_request
from ttt.cell.model import ModelInMemory
from ttt.cell.params import cell_tags
from ttt.cell.prepare import Prepared, prepare
from ttt.cell.resolve import Resolved, Say, read_back
from ttt.cell.result import CellResult
from ttt.cell.superseded import settle_superseded
from ttt.cell.versions import register_adjusted
from ttt.engine import distributed
from ttt.spec import SpecError
from ttt.stopping import stoppable
from ttt.tracking import StoreError, Tracker

log = logging.getLogger(__name__)

T = TypeVar("T")


class FailedCellsError(RuntimeError):
    """Some of several benches failed; what the others gave is kept in their runs."""


def run_cells(resolved: Resolved, tracker: Tracker, force: bool = False, say: Say = log.info) -> list[CellResult]:
    """Score the base model on the benches, adjust it once a set of task data, score it again, and keep everything.

    What is done is read back; what was stopped at any moment goes on in the runs it has, from the last checkpoint and
    the last answers. `force` trains and scores anew, and supersedes what there is; base scores are kept. The base
    model's scores are cells of their own (adjustment `none`), shared by all adjustments of the model, and an adjusted
    model is shared by all benches that train on the same examples.

    Raises SpecError for a request that cannot be carried out. A bench that fails while it is scored stops no other: an
    error that names each is raised at the end. SIGTERM and Ctrl-C mark the runs KILLED and raise
    `ttt.stopping.Stopped` once a checkpoint is written.
    """
    results = {cell.key: cell.done for cell in resolved.cells if cell.done}
    with stoppable(), ExitStack() as locks:
        to_do = [cell for cell in resolved.cells if not cell.done]
        for cell in sorted(to_do, key=lambda cell: cell.key):  # in one order, lest two commands wait for each other
            locks.enter_context(tracker.claim(cell.experiment, cell.key, say))
            finished = None if force else read_back(cell, tracker)  # by whoever held the lock until now
            if finished or force:
                tracker.clear(cell.key)
            if finished:
                results[cell.key] = finished
        prepared = prepare([cell for cell in to_do if cell.key not in results], resolved, say)
        if prepared:
            results |= _Work(resolved, tracker, force, say, prepared).do()
    return [results[cell.key] for cell in resolved.cells]


class _Work:
    """The cells of a request that are to be done; their locks are held."""

    def __init__(self, resolved: Resolved, tracker: Tracker, force: bool, say: Say, prepared: Sequence[Prepared]):
        self.resolved, self.tracker, self.force, self.say, self.prepared = resolved, tracker, force, say, prepared
        self.model = ModelInMemory(resolved, [one.cell.bench for one in prepared], tracker)
        self.results: dict[str, CellResult] = {}
        self.failures: dict[str, Exception] = {}

    def do(self) -> dict[str, CellResult]:
        """The results by the cells' keys."""
        groups = groups_of([one for one in self.prepared if one.adjusted_key])
        if not self.force:  # what cannot be done is said before the first weights are loaded
            for group in groups:
                if group.stops and (known := finished(group.key, self.tracker)):
                    lacking = group.lacking(known.run_id, self.tracker)
                    refuse_if_passed(lacking, [int(step) for step in known.checkpoints], known)
        bases = {one.keyed.key: base for one in self.prepared if (base := self._trying([one], self._base, one))}
        self.results = {
            one.keyed.key: bases[one.keyed.key]
            for one in self.prepared
            if one.keyed.key in bases and not one.adjusted_key
        }
        for group in groups:
            with_base = tuple(one for one in group.cells if one.keyed.key in bases)
            if with_base:
                self._adjust_and_score(CellGroup(with_base), bases)
        if self.failures:
            self._raise()
        return self.results

    def _base(self, one: Prepared) -> CellResult:
        """The base model's scores, read back where they are there."""
        base = one.of_base(self.resolved)
        keyed, tracker = base.keyed, self.tracker
        with tracker.claim(keyed.experiment, keyed.key, self.say):
            repeat = self.force and not one.adjusted_key
            done = read_back(keyed, tracker, self.say) if one.adjusted_key else None  # the request's own is looked up
            if done:
                return complete(keyed.cell, self.resolved.source, done, tracker, self.say)
            self.say(f"{keyed.label}: scoring the base model")
            self.model.base()  # before the run: a model that the request cannot be carried out with leaves none
            tags = cell_tags(keyed.cell, keyed.key, self.resolved.files)
            with tracker.run(keyed.experiment, keyed.cell.label, tags, keyed.key, anew=repeat, say=self.say) as run:
                log_request(run, base, self.resolved.source, self.resolved.files)
                evaluation = self.model.scores(base, self.say)
                result = log_base(run, tracker, self._scored(base, evaluation))
            tracker.clear(keyed.key)
        return result

    def _adjust_and_score(self, group: CellGroup, bases: dict[str, CellResult]) -> None:
        of_group = [bases[one.keyed.key] for one in group.cells]
        tracker, say = self.tracker, self.say
        # Weights that are not to be kept stay in the folder of their key until all is scored: nobody may clear it.
        keeps = tracker.tracking.keep_weights
        with nullcontext() if keeps else tracker.claim(group.experiment, group.key, say):
            adjusted = self._trying(
                group.cells, adjusted_model, group, of_group, self.model, tracker, self.force, say, self._try_one
            )
            if adjusted is None:
                return
            leaky = [one.cell.bench.name for one in group.cells if one.leaks and one.cell.bench.leak == "report"]
            version = register_adjusted(tracker, group.cell, adjusted, leaky)
            settle_superseded(tracker, adjusted, version, [one.keyed.key for one in group.cells], say)
            for one, base in zip(group.cells, of_group, strict=True):
                if one.keyed.label in self.failures:
                    continue
                result = self._trying([one], self._adjusted, one, base, adjusted, version)
                if result:
                    self.results[one.keyed.key] = result
            if not keeps and not self.failures:
                tracker.clear(group.key)

    def _adjusted(self, one: Prepared, base: CellResult, adjusted: AdjustedModel, version: str | None) -> CellResult:
        keyed, tracker = one.keyed, self.tracker
        self.say(f"{keyed.label}: scoring the adjusted model")
        tags = cell_tags(keyed.cell, keyed.key, self.resolved.files)
        with tracker.run(keyed.experiment, keyed.cell.label, tags, keyed.key, anew=self.force, say=self.say) as run:
            log_request(run, one, self.resolved.source, self.resolved.files)
            evaluation = self.model.scores(one, self.say)
            result = log_adjusted(run, tracker, self._scored(one, evaluation), base, adjusted, version)
        tracker.clear(keyed.key)
        if result.gain["stderr"] is None:
            self.say(f"{keyed.label}: {paired(result.gain, keyed.cell.bench)}")
        return result

    def _scored(self, one: Prepared, evaluation: Evaluation) -> Scored:
        return Scored(one, self.resolved.source, evaluation, self.model.digest, self.resolved.files)

    def _trying(self, cells: Sequence[Prepared], do: Callable[..., T], *arguments: Any) -> T | None:
        """The result; None where it fails and other benches are left to be done. A store that fails fails for all."""
        try:
            return do(*arguments)
        except StoreError:
            raise
        except Exception as error:
            # Of several processes only one may have failed, and the others wait for it: the launcher ends them all.
            if len(self.prepared) == len(cells) or distributed.n_ranks() > 1:
                raise
            for one in cells:
                self.failures[one.keyed.label] = error
                self.say(f"{one.keyed.label}: failed: {error}")
            return None

    def _try_one(self, one: Prepared, do: Callable[[], None]) -> None:
        self._trying([one], do)

    def _raise(self) -> None:
        """What failed, by bench; a wrong request if all of it is that."""
        text = "\n".join(f"{label}: {error}" for label, error in self.failures.items())
        if all(isinstance(error, SpecError) for error in self.failures.values()):
            raise SpecError(text)
        raise FailedCellsError(f"{len(self.failures)} of {len(self.prepared)} benches failed\n{text}")
