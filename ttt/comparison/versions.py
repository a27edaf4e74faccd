"""Registered versions of a model, or the final versions of all models of a bench, beside each other."""

from __future__ import annotations

from typing import Any

from ttt.comparison.pairs import ItemScores, UnpairedError, paired_tests, read_side, score_of, ties
from ttt.spec import SpecError, nearest
from ttt.tracking import Tracker

TAGS = {"ttt.suite", "ttt.model", "ttt.bench", "ttt.bench_version", "ttt.adjustment", "ttt.seed"}
"""Of every cell; MLflow's UI lets anybody remove them."""


def find_versions(tracker: Tracker, name: str) -> list[tuple[Any, list[str]]]:
    """Versions with their aliases: all of the registered model `name`, or the finals of the bench `name`.

    SpecError names what is registered where there are none.
    """
    models = {str(model.name): model for model in _registered(tracker)}
    if name in models:
        return _versions(tracker, models[name])
    of_bench = [model for registered, model in models.items() if registered.endswith(f"-{name}")]
    finals = [
        (version, aliases) for model in of_bench for version, aliases in _versions(tracker, model) if "final" in aliases
    ]
    if not finals:
        what = "no version of its models is final yet" if of_bench else "there is no such registered model or bench"
        raise SpecError(f"versions: {name!r}: {what}; registered are: {nearest(name, models, 12) or 'none'}")
    return finals


def _registered(tracker: Tracker) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = tracker.client.search_registered_models(max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _versions(tracker: Tracker, model: Any) -> list[tuple[Any, list[str]]]:
    """Oldest first. MLflow keeps aliases with the model, not with its versions."""
    found = tracker.client.search_model_versions(f"name = '{model.name}'")
    return [
        (version, sorted(alias for alias, number in model.aliases.items() if str(number) == str(version.version)))
        for version in sorted(found, key=lambda version: int(version.version))
    ]


def version_conclusions(tracker: Tracker, name: str) -> dict[str, Any]:
    """Scores with intervals, paired tests, budgets, saturation and commit of versions, in JSON's types.

    Versions of which the items are not kept have their score from the registry, and are in no pair; those whose items
    are not what was logged are left out.
    """
    found = find_versions(tracker, name)
    rows, contenders, runs = [], [], []
    left_out: list[dict[str, str]] = []
    for version, aliases in found:
        run = tracker.read_run(version.run_id)
        lacks = TAGS - run.data.tags.keys() if run else TAGS
        if run is None or lacks:
            why = f"its run {version.run_id or ''} is gone"
            if run is not None:
                why = f"its run is no cell of ttt's: it has no tag {', '.join(sorted(lacks))}"
            left_out.append({"version": f"{version.name} v{version.version}", "reason": why})
            continue
        side = "base" if version.source.rstrip("/").endswith("/base") else "adjusted"
        label = f"{version.name} v{version.version}"
        try:
            items = _items(tracker, version.run_id, side, label)
        except SpecError as error:
            left_out.append({"version": label, "reason": str(error)})
            continue
        runs.append(run)
        contenders += [items] if items else []
        rows.append(_row(version, aliases, run, side, label) | (score_of(items) if items else {}))
    if not rows:
        raise SpecError(
            f"versions: nothing is left of {name!r}: " + "; ".join(f"{o['version']}: {o['reason']}" for o in left_out)
        )
    pairs = paired_tests(contenders)
    groups = dict(zip((one.label for one in contenders), ties(contenders, pairs), strict=True))
    rows = [row | {"tie_group": groups.get(row["version"])} for row in rows]
    return {
        "kind": "versions",
        "name": name,
        "suite": runs[0].data.tags["ttt.suite"],
        "bench": runs[0].data.tags["ttt.bench"],
        "n_versions": len(rows),
        "versions": rows,
        "pairs": pairs,
        "left_out": left_out,
    }


def _items(tracker: Tracker, run_id: str, side: str, label: str) -> ItemScores | None:
    try:
        return read_side(tracker, [run_id], side, label)
    except UnpairedError:
        return None


def _row(version: Any, aliases: list[str], run: Any, side: str, label: str) -> dict[str, Any]:
    tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
    stated = metrics.get(f"{side}/score")
    base = side == "base"
    return {
        "version": label,
        "aliases": aliases,
        "model": tags["ttt.model"],
        "bench_version": tags["ttt.bench_version"],
        "adjustment": "none" if base else tags["ttt.adjustment"],
        "seed": tags["ttt.seed"],
        "budget": None if base else params.get("budget"),
        "learning_rate": None if base else params.get("learning_rate"),
        "saturated": None if base else tags.get("ttt.saturated", "unknown"),
        "score": stated,
        **dict.fromkeys(("se", "low", "high", "n_items", "n_groups", "method")),
        "digest": version.tags.get("digest"),
        "commit": tags.get("ttt.commit"),
        "run_id": version.run_id,
    }
