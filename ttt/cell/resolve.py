"""What a request comes to, found out once and before the work: sources, keys, and the cells that are done.

Imports nothing of what works on cells, which takes seconds: a request that is done is read back without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ttt.cell.aliases import described
from ttt.cell.complete import complete
from ttt.cell.key import cell_key
from ttt.cell.read import check_items, read_result
from ttt.cell.result import CellResult
from ttt.cell.superseded import training_in_place
from ttt.engine.precision import arithmetic
from ttt.files.model_source import model_source
from ttt.files.rows import DataFiles
from ttt.spec import Cell, Model, SpecError, Trainer
from ttt.tracking import Tracker, Version

Say = Callable[[str], None]


@dataclass(frozen=True)
class KeyedCell:
    """A cell with the key under which its run is found, and its result if it is done."""

    cell: Cell
    key: str
    precision: str
    done: CellResult | None = None

    @property
    def experiment(self) -> str:
        return f"{self.cell.suite}/{self.cell.bench.name}"

    @property
    def label(self) -> str:
        return f"{self.cell.label} on {self.cell.bench.name}"


@dataclass(frozen=True)
class Resolved:
    """The cells of one model, adjustment and seed on several benches."""

    cells: tuple[KeyedCell, ...]
    model: Model
    """What is loaded: with the folder of `version`, if there is one."""
    version: Version | None
    """The registered version that the model starts from."""
    source: str
    """`ttt.files.model_source`."""
    trainer: Trainer
    files: DataFiles = field(compare=False)
    """The digests that local files had when the keys were made of them."""

    @property
    def is_done(self) -> bool:
        return all(cell.done for cell in self.cells)

    def keyed(self, cell: Cell) -> KeyedCell:
        """A cell with its key; one without an adjustment depends on no seed."""
        cell = cell.base() if cell.adjustment.method == "none" else cell
        precision = arithmetic(self.trainer, cell.bench)
        return KeyedCell(cell, cell_key(cell, self.source, precision, self.files, self.trainer.train_tokens), precision)

    def completed(self, keyed: KeyedCell, tracker: Tracker, say: Say) -> KeyedCell:
        """A cell that, if it is done, has what is asked for now beside its scores, as its base model's cell has."""
        if keyed.done is None:
            return keyed
        base = self.keyed(keyed.cell.base())
        if keyed.done.adjusted_model and (done := read_back(base, tracker)):
            complete(base.cell, self.source, done, tracker, say)
        return replace(keyed, done=complete(keyed.cell, self.source, keyed.done, tracker, say))


def resolve(cells: Sequence[Cell], trainer: Trainer, tracker: Tracker, force: bool, say: Say) -> Resolved:
    """Raises SpecError for a model, a version or files that are not there, and for benches that are one and the same.

    With `force` nothing counts as done.
    """
    starts, model, version = starting_point(cells[0].model, tracker)
    if cells[0].model.version is not None:
        of = tracker.registry.find(starts.name, cells[0].model.version)
        say(f"model.version={cells[0].model.version}: {of.label}, {described(of)}")
    resolved = Resolved((), model, version, model_source(model), trainer, DataFiles())
    keyed = [resolved.keyed(cell.model_copy(update={"model": starts})) for cell in cells]
    if not force:
        keyed = [
            replace(cell, done=None if tracker.leftovers(cell.key) else read_back(cell, tracker, say)) for cell in keyed
        ]
    if tracker.is_writable:
        keyed = [resolved.completed(cell, tracker, say) for cell in keyed]
    return replace(resolved, cells=tuple(keyed))


def starting_point(model: Model, tracker: Tracker) -> tuple[Model, Model, Version | None]:
    """The model as its cells have it, the model that is loaded, and the registered version that it starts from.

    Starting from the version that is the base model is starting from the model itself.
    """
    if model.version is None:
        return model, model, None
    version = tracker.registry.find(model.name, model.version)
    if version.tags.get("ttt.kind") == "base":
        original = model.model_copy(update={"version": None})
        kept, now = version.tags.get("ttt.source"), model_source(original)
        if kept != now:
            raise SpecError(
                f"model.version: {version.label} is the base model as it was loaded from {kept}; what model "
                f"'{model.name}' names is now {now}"
            )
        return original, original, None
    named = model.model_copy(update={"version": version.number})  # an alias may move meanwhile
    return named, named.model_copy(update={"path": str(tracker.registry.folder(version)), "gguf_file": None}), version


def read_back(cell: KeyedCell, tracker: Tracker, say: Say = lambda text: None) -> CellResult | None:
    """The result of a cell that is done and whose run still has what it kept; None where there is work to do.

    A cell that lacks scores on the way is not done, nor is one with leaks where `bench.leak=fail` wants it to stop.
    """
    run = tracker.finished(cell.experiment, cell.key)
    if run is None:
        return None
    run_id, adjustment, bench = run.info.run_id, cell.cell.adjustment, cell.cell.bench
    try:
        result = read_result(tracker, run_id)
        check_items(tracker, run_id, "base" if adjustment.method == "none" else "adjusted")
    except SpecError as error:  # somebody has removed or damaged what the run kept
        say(f"{cell.label}: done before, and now again, since {error}")
        return None
    if instead := training_in_place(tracker, result):
        say(f"{cell.label}: scored before, and now again: run {instead} has trained other weights since")
        return None
    have = [point["n_examples"] or 0 for point in result.checkpoints]
    if have:
        adjustment.refuse_stops_beyond(int(max(have)))
    wanted = [step * adjustment.batch_size for step in adjustment.evaluate_at]
    if any(n_examples < max(have, default=0) and n_examples not in have for n_examples in wanted):
        return None
    if bench.leak == "fail" and run.data.metrics.get("task_data/n_leaked"):
        return None
    say(f"{cell.label}: done before, run {run_id} (force=true repeats it)")
    return result
