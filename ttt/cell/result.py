"""What a finished cell says: the numbers that `output=FILE` writes and MLflow keeps as `result.json`."""

from __future__ import annotations

from dataclasses import dataclass, field

SIDES = ("base", "adjusted")
"""The halves of a cell: the model as it is, and adjusted; with `adjustment=none` both have the base scores."""
Side = dict[str, float | None]
"""A half's `score`, `stderr` and the bench's metrics."""


@dataclass(frozen=True)
class CellResult:
    """`base`, `adjusted` and `gain` map `score`, `stderr` and the bench's metrics to numbers (null if unknown)."""

    run_id: str
    key: str
    model: str
    bench: str
    adjustment: str
    seed: int
    n_items: int
    base: Side
    adjusted: Side
    gain: Side
    seconds: float
    """That scoring this cell took; what adjusting took is `training_seconds`."""
    tokens_per_second: float | None
    """Tokens trained on a second, of the adjustment; of the evaluation where nothing was adjusted."""
    digest_base: str
    digest_adjusted: str
    version: str | None
    """Of the registered model `<model>`."""
    adjusted_model: dict[str, str] | None = None
    """`key` and `run_id` of the adjusted model; null for a base model, and where others have measured."""
    training_seconds: float | None = None
    """That adjusting took, once for all cells that name the same run in `adjusted_model`; null where nothing was."""
    checkpoints: list[Side] = field(default_factory=list)
    """Scores on the way: `n_examples` seen, `score`, `stderr`, and what else was scored there, in order."""
    num_fewshot: list[int] = field(default_factory=list)
    """Shots that the bench's tasks were given, each number once; a task may be defined without."""
    warnings: list[str] = field(default_factory=list)
    """What of the bench or the task data may not be as it is meant."""


def sides_as_gain(base: Side, adjusted: Side, stderr: float | None) -> Side:
    """What adjusting added to each number that both sides have; `stderr` is that of the paired differences."""
    gain: Side = {"score": _difference(base, adjusted, "score"), "stderr": stderr}
    shared = [name for name in adjusted if name in base and name not in gain and not name.endswith("_stderr")]
    return gain | {name: _difference(base, adjusted, name) for name in shared}


def _difference(base: Side, adjusted: Side, name: str) -> float | None:
    before, after = base[name], adjusted[name]
    return None if before is None or after is None else after - before


def side_metrics(name: str, side: Side) -> dict[str, float]:
    """A half's numbers as metrics of a run: `<name>/score`, `<name>/score_stderr`, `<name>/<metric>`."""
    values = {("score_stderr" if key == "stderr" else key): value for key, value in side.items()}
    return {f"{name}/{key}": value for key, value in values.items() if value is not None}
