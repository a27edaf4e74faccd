"""The conclusions as the report reads them: every optional part in its place, empty where it was not given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttt.formatting import clean, known

PARTS: dict[str, Any] = {
    "base": {},
    "adjusted": {},
    "split": {},
    "curves": {},
    "direct_effect": {},
    "indirect_effect": {},
    "pareto_area": {},
    "frontier": {},
    "discriminator": {},
    "confound": {},
    "ranking_agreement": {},
    "provenance": {},
    "other_inference": {},
    "emergence": [],
    "models": [],
    "excluded": [],
    "provisional_reasons": [],
    "treatment": {},
    "provisional": False,
    "verdict": "",
}


def complete(conclusions: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which absent and null parts are empty, models stand in their rank after adjusting, and the metric has
    a name to put on an axis."""
    given = {**conclusions, **{part: conclusions.get(part) or empty for part, empty in PARTS.items()}}
    for part in ("discriminator", "other_inference"):
        given[part] = {**given[part], **{side: given[part].get(side) or {} for side in ("base", "adjusted")}}
    agreement = given["ranking_agreement"]
    given["ranking_agreement"] = {**agreement, "tau": agreement.get("tau", agreement.get("tau_before_after"))}
    given["models"] = sorted(given["models"], key=_place)
    metric = clean(str(conclusions.get("metric") or "score").replace(",none", ""))
    given["metric_label"] = metric if metric == "score" else f"score ({metric})"
    return given


def _place(row: Mapping[str, Any]) -> tuple[float, float]:
    """By rank after adjusting, then by score; what is not known comes last."""
    rank, score = known(row.get("rank_adjusted")), known(row.get("adjusted"))
    return (float("inf") if rank is None else rank, float("inf") if score is None else -score)
