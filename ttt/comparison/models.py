"""Rows of cells as models: seeds averaged, the policy applied, and divided into the groups of a split."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt.comparison.cells import CellRow, facts_of
from ttt.comparison.findings import Excluded
from ttt.comparison.options import Options
from ttt.formatting import first_few
from ttt.spec import SpecError, nearest

MIN_MODELS = 4
"""For a fit: three parameters and one degree of freedom."""
NOT_FITTED = "ranked, and left out of the fits"
SATURATION = ("no", "undecided", "unknown", "yes")
"""Of several seeds the first of these counts."""


@dataclass(frozen=True)
class ModelRow:
    """A model with its facts and its scores before and after adjusting, averaged over seeds; None: not known."""

    model: str
    family: str
    kind: str
    languages: tuple[str, ...]
    trained: str | None
    n_params: int | None
    n_tokens: int | None
    facts: Mapping[str, Any]
    base: float | None
    base_stderr: float | None
    adjusted: float | None
    adjusted_stderr: float | None
    gain_stderr: float | None
    saturated: str
    seconds: float | None
    run_ids: tuple[str, ...]
    kept_base: bool = False

    @property
    def compute(self) -> float | None:
        """C = 6 N D, FLOPs of pretraining."""
        return 6.0 * self.n_params * self.n_tokens if self.n_params and self.n_tokens else None

    @property
    def gain(self) -> float | None:
        return None if self.base is None or self.adjusted is None else self.adjusted - self.base


def model_rows(cells: Sequence[CellRow], policy: str) -> list[ModelRow]:
    """One row a model, in order of compute. `keep_best` takes the base score for models that lose by adjusting."""
    by: dict[str, list[CellRow]] = defaultdict(list)
    for cell in cells:
        by[cell.model].append(cell)
    rows = sorted((_average(of) for of in by.values()), key=lambda row: (row.compute or math.inf, row.model))
    return [_kept(row) if policy == "keep_best" and row.gain is not None and row.gain < 0 else row for row in rows]


def _average(cells: Sequence[CellRow]) -> ModelRow:
    base, adjusted, gain = ([getattr(cell, name) for cell in cells] for name in ("base", "adjusted", "gain"))
    base_stderr = _stderr(base, [c.base_stderr for c in cells])
    adjusted_stderr = _stderr(adjusted, [c.adjusted_stderr for c in cells])
    gain_stderr = _stderr(gain, [c.gain_stderr for c in cells])
    if gain_stderr is None and base_stderr is not None and adjusted_stderr is not None:
        gain_stderr = math.hypot(base_stderr, adjusted_stderr)  # as if the items differed: too wide, never too narrow
    seconds = [c.seconds for c in cells if c.seconds is not None]
    return ModelRow(
        model=cells[0].model,
        **facts_of(cells[0].run),
        base=_mean(base),
        base_stderr=base_stderr,
        adjusted=_mean(adjusted),
        adjusted_stderr=adjusted_stderr,
        gain_stderr=gain_stderr,
        saturated=min((c.saturated for c in cells), key=lambda s: SATURATION.index(s) if s in SATURATION else 1),
        seconds=float(np.mean(seconds)) if seconds else None,
        run_ids=tuple(c.run_id for c in cells),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """Over seeds; None unless every one has a score."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _stderr(values: Sequence[float | None], stderrs: Sequence[float | None]) -> float | None:
    """Of the mean over seeds. These answer the same items, so the items' error does not shrink with their number."""
    known = [stderr for stderr in stderrs if stderr is not None]
    if len(known) < len(values) or any(value is None for value in values):
        return None
    between = float(np.var(np.array(values, float), ddof=1)) / len(values) if len(values) > 1 else 0.0
    return math.sqrt(float(np.mean(np.square(known))) + between)


def _kept(row: ModelRow) -> ModelRow:
    return replace(row, adjusted=row.base, adjusted_stderr=row.base_stderr, gain_stderr=0.0, kept_base=True)


@dataclass(frozen=True)
class Split:
    """Two groups of the models: `is_newer` of shape (n_models,), and what either is called."""

    field: str
    cutoff: str | None
    older: str
    newer: str
    is_newer: npt.NDArray[np.bool_]


PAPER_SPLIT, PAPER_CUTOFF = "trained", "2023-11"


def split_models(models: Sequence[ModelRow], options: Options) -> Split:
    """The groups by a field. SpecError for a field that models lack, a split that is not said, or an empty group."""
    field = options.split
    values = [_value(model, field) for model in models]
    lacking = [model.model for model, value in zip(models, values, strict=True) if value is None]
    if lacking:
        known = ["trained", "languages", "kind", "family", "n_params", "n_tokens"]
        known += sorted({fact for model in models for fact in model.facts})
        raise SpecError(
            f"split: {', '.join(lacking[:8])}{' and others' if len(lacking) > 8 else ''} have no {field!r}; "
            f"the fields are: {nearest(field, known)}"
        )
    split = _split(field, values, options)
    counts = {split.older: int((~split.is_newer).sum()), split.newer: int(split.is_newer.sum())}
    if 0 in counts.values():
        there = ", ".join(f"{n} {label}" for label, n in counts.items())
        raise SpecError(f"split: one group is empty: {there}; the values of {field} are: {_listed_values(values)}")
    return split


@dataclass(frozen=True)
class Fitted:
    """The models whose scores can be fitted to their compute, and in which groups."""

    models: list[ModelRow]
    split: Split | None
    """None where there are no two groups."""
    too_few: str
    """What any fit lacks; empty where there are models enough."""
    no_groups: str
    """What a comparison of two groups lacks; empty where there are two."""
    left_out: list[Excluded]
    """Models that are ranked and not fitted."""


def fitted_models(models: Sequence[ModelRow], options: Options) -> Fitted:
    """Those with compute, in two groups where there are two. A split that was asked for and cannot be is a SpecError.

    Where nothing but the default was asked, models of one group, or without the date that splits them, are no fault:
    what needs two groups is left out.
    """
    if options.split != PAPER_SPLIT or options.cutoff is not None or options.newer:
        split_models(models, options)  # whoever asks for a split by name is told why there is none
    measured = [model for model in models if model.compute]
    dated = [model for model in measured if _value(model, options.split) is not None]
    split = _split(options.split, [_value(model, options.split) for model in dated], options) if dated else None
    grouped = split is not None and split.is_newer.any() and not split.is_newer.all()
    fitted = dated if grouped and len(dated) >= MIN_MODELS else measured
    too_few = no_groups = ""
    if len(fitted) < MIN_MODELS:
        of = "models" if len(fitted) == len(models) else "models whose compute is known"
        too_few = f"at least {MIN_MODELS} {of} (there {'is' if len(fitted) == 1 else 'are'} {len(fitted)})"
    if split is not None and not grouped:
        group = split.newer if split.is_newer.any() else split.older
        no_groups = f"two groups of models (all whose {options.split!r} is known are one: {group})"
    elif undated := [model.model for model in fitted if model not in dated]:
        no_groups = f"{options.split!r} of the models (it is not known of {first_few(undated)})"
    left_out = [
        Excluded(
            model.model,
            f"{NOT_FITTED}: its {'n_params, n_tokens' if model not in measured else options.split} is not known",
        )
        for model in models
        if model not in fitted
    ]
    return Fitted(fitted, None if no_groups else split, too_few, no_groups, left_out)


def _split(field: str, values: Sequence[Any], options: Options) -> Split:
    if options.newer:
        chosen = np.array([any(str(part) in options.newer for part in _parts(value)) for value in values])
        names = ", ".join(options.newer)
        return Split(field, None, f"{field} other than {names}", f"{field} {names}", chosen)
    if field == "languages":
        only = np.array([tuple(value) == ("en",) for value in values])
        return Split(field, None, "English only", "other languages too", ~only)
    if field == "kind":
        return Split(field, None, "base", "instruct", np.array([value == "instruct" for value in values]))
    cutoff = options.cutoff if options.cutoff is not None else PAPER_CUTOFF if field == "trained" else None
    if all(isinstance(value, bool) for value in values):
        return Split(field, None, f"not {field}", field, np.array(values, bool))
    if all(isinstance(value, int | float) for value in values):
        return _numeric(field, np.array(values, float), cutoff)
    if cutoff is None or field == "family":
        raise SpecError(
            f"split: {field} has the values {_listed_values(values)}; say which are one group with newer=[...]"
        )
    texts = np.array([str(value) >= str(cutoff) for value in values])
    before, after = ("before", " or later") if field == "trained" else ("below", " and above")
    return Split(field, str(cutoff), f"{field} {before} {cutoff}", f"{field} {cutoff}{after}", texts)


def _numeric(field: str, values: npt.NDArray[np.float64], cutoff: float | str | None) -> Split:
    """By a cutoff; without one, what is above the smallest value."""
    if cutoff is None:
        least = float(values.min())
        return Split(field, f"{least:g}", f"{field} {least:g}", f"{field} above {least:g}", values > least)
    try:
        limit = float(cutoff)
    except ValueError:
        raise SpecError(f"cutoff: {cutoff!r} is no number, and {field} is one") from None
    return Split(field, f"{limit:g}", f"{field} below {limit:g}", f"{field} from {limit:g}", values >= limit)


def _value(model: ModelRow, field: str) -> Any:
    value = model.facts.get(field) if field in model.facts else getattr(model, field, None)
    return None if value == () else value


def _parts(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _listed_values(values: Sequence[Any]) -> str:
    texts = sorted({",".join(map(str, _parts(value))) for value in values})
    return ", ".join(texts[:12]) + (f", and {len(texts) - 12} more" if len(texts) > 12 else "")
