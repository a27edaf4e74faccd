"""Registered versions of a model, bench by bench, or the final versions of all models of a bench, beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ttt.comparison.alike import BENCH, RECIPE, TASK_DATA, mixed, reasons_of, refuse_mixed
from ttt.comparison.cells import TAGS
from ttt.comparison.conclusions import VersionConclusions
from ttt.comparison.contenders import ItemsScore, LeftOut, Pair, VersionScore
from ttt.comparison.current import corrected_facts, with_trainings
from ttt.comparison.findings import of_fields
from ttt.comparison.gate import STATES
from ttt.comparison.inputs import exclusions, is_excluded, provenance
from ttt.comparison.options import Options
from ttt.comparison.pairs import ItemScores, UnpairedError, paired_tests, read_side, score_of, ties
from ttt.formatting import first_few
from ttt.spec import SpecError, nearest
from ttt.tracking import Tracker, Version, alias_of


@dataclass(frozen=True)
class ScoredVersion:
    """A version on one bench: the cell's run that its tag `cell/<suite>/<bench>` names."""

    version: Version
    bench: str
    run: Any

    @property
    def label(self) -> str:
        return f"{self.version.model} v{self.version.number}"

    @property
    def side(self) -> str:
        """The half of the cell that these weights scored: of a version that is scored as it is, the base."""
        return "base" if self.run.data.tags["ttt.adjustment"] == "none" else "adjusted"

    @property
    def is_base(self) -> bool:
        return self.adjustment == "none"

    @property
    def adjustment(self) -> str:
        """What made the weights; `none` for those of the model itself."""
        return str(self.version.tags.get("ttt.adjustment", self.run.data.tags["ttt.adjustment"]))

    @property
    def budget(self) -> str | None:
        examples = self.version.tags.get("ttt.budget")
        return f"{examples} examples" if examples else self.run.data.params.get("budget")


def find_versions(tracker: Tracker, name: str) -> tuple[list[Version], str | None]:
    """All versions of the registered model `name`; or the finals of the bench `name`, and that bench.

    `model:<name>` and `bench:<name>` say which of the two is meant. SpecError where a name alone means both, and, with
    what is registered, where there are neither.
    """
    kind, _, bare = name.rpartition(":")
    versions = [] if kind == "bench" else tracker.registry.versions(bare)
    finals = [] if kind == "model" else tracker.registry.with_alias(alias_of("final", bare))
    if versions and finals:
        raise SpecError(
            f"versions: {name!r} is a registered model, and versions are final on a bench of that name; say which is "
            f"meant: versions=model:{name} or versions=bench:{name}"
        )
    if versions:
        return versions, None
    if finals:
        return finals, bare
    models = tracker.registry.models()
    raise SpecError(
        f"versions: {name!r} is no registered model, and no version is final on a bench of that name "
        f"(alias {alias_of('final', bare)}); registered are: {nearest(bare, models, 12) or 'none'}"
    )


def version_conclusions(tracker: Tracker, name: str, options: Options) -> VersionConclusions:
    """Scores with intervals, paired tests, budgets, saturation and commit of versions, bench by bench.

    Versions of which the items are not kept have the score that was logged, and are in no pair; those whose cell is
    gone, or whose items are not what was logged, are left out by name. SpecError for cells of one bench that were not
    asked the same, and with `final` for what is not shown to be saturated.
    """
    versions, bench = find_versions(tracker, name)
    scored, left_out = _cells(tracker, versions, bench, options.suite)
    excluded = exclusions([one.run for one in scored], options)
    scored = [one for one in scored if not is_excluded(one.run, options)]
    benches = sorted({one.bench for one in scored})
    for of in benches:
        refuse_mixed(tracker, [one.run for one in scored if one.bench == of], [BENCH], ["precision"], [])
    reasons = _reasons(tracker, scored, is_of_bench=bench is not None)
    if options.final and reasons:
        raise SpecError("\n".join(f"final: {reason}" for reason in reasons))
    rows: list[VersionScore] = []
    pairs: list[Pair] = []
    for of in benches:
        lines, tested, lost = _on_bench(tracker, [one for one in scored if one.bench == of])
        rows += lines
        pairs += tested
        left_out += lost
    if not rows:
        why = "; ".join(f"{one.version}: {one.reason}" for one in left_out) or "everything is excluded"
        raise SpecError(f"versions: nothing is left of {name!r} in suite '{options.suite}': {why}")
    return VersionConclusions(
        name=name,
        suite=options.suite,
        benches=sorted({row.bench for row in rows}),
        n_versions=len({row.version for row in rows}),
        versions=rows,
        pairs=pairs,
        left_out=left_out,
        excluded=excluded,
        provisional=bool(reasons),
        provisional_reasons=reasons,
        provenance=provenance(tracker, [row.run_id for row in rows], corrected_facts(one.run for one in scored)),
    )


def _cells(
    tracker: Tracker, versions: Sequence[Version], bench: str | None, suite: str
) -> tuple[list[ScoredVersion], list[LeftOut]]:
    """The versions' cells in the suite, on all benches or on one; and those of which there is none, or no longer."""
    scored: list[ScoredVersion] = []
    left_out: list[LeftOut] = []
    for version in versions:
        label, prefix = f"{version.model} v{version.number}", f"cell/{suite}/"
        ids = {tag.removeprefix(prefix): run_id for tag, run_id in version.tags.items() if tag.startswith(prefix)}
        wanted = {of: run_id for of, run_id in sorted(ids.items()) if bench in (None, of)}
        if not wanted:
            where = ", ".join(sorted(tag.removeprefix("cell/") for tag in version.tags if tag.startswith("cell/")))
            what = f"suite '{suite}'" if bench is None else f"'{suite}/{bench}'"
            left_out.append(LeftOut(label, f"it has no cell in {what}; it has: {where or 'none'}"))
        for of, run_id in wanted.items():
            run = tracker.read_run(run_id)
            lacks = sorted(set(TAGS) - run.data.tags.keys()) if run else []
            if run is None or run.info.lifecycle_stage == "deleted":
                left_out.append(LeftOut(label, f"its run {run_id} on {of} is gone"))
            elif lacks:
                left_out.append(LeftOut(label, f"its run {run_id} is no cell of ttt's: it has no tag {lacks[0]}"))
            else:
                scored.append(ScoredVersion(version, of, run))
    return scored, left_out


def _reasons(tracker: Tracker, scored: Sequence[ScoredVersion], is_of_bench: bool) -> list[str]:
    """Why nothing is final: what cells have of themselves, what is not saturated, and finals that were made unlike."""
    runs = with_trainings(tracker, [one.run for one in scored])
    reasons = reasons_of(runs)
    adjusted = [one for one in scored if not one.is_base]
    for state in sorted({_saturated(one.run) for one in adjusted} - {"yes"}):
        names = [f"{one.label} on {one.bench}" for one in adjusted if _saturated(one.run) == state]
        reasons.append(f"{len(names)} of {len(adjusted)} versions {STATES.get(state, state)}: {first_few(names)}")
    if is_of_bench:  # each with a sufficient budget of its own, and otherwise alike
        reasons += mixed(tracker, [one.run for one in adjusted], [RECIPE, TASK_DATA], [], [])
    return reasons


def _saturated(run: Any) -> str:
    return str(run.data.tags.get("ttt.saturated", "unknown"))


def _on_bench(
    tracker: Tracker, scored: Sequence[ScoredVersion]
) -> tuple[list[VersionScore], list[Pair], list[LeftOut]]:
    rows: list[VersionScore] = []
    contenders: list[ItemScores] = []
    left_out: list[LeftOut] = []
    for one in scored:
        try:
            items = _items(tracker, one)
        except SpecError as error:
            left_out.append(LeftOut(one.label, str(error)))
            continue
        contenders += [items] if items else []
        rows.append(_row(one, items))
    pairs = paired_tests(contenders)
    groups = dict(zip((items.label for items in contenders), ties(contenders, pairs), strict=True))
    rows = [replace(row, tie_group=groups.get(row.version)) for row in rows]
    return rows, [replace(pair, bench=scored[0].bench) for pair in pairs], left_out


def _items(tracker: Tracker, one: ScoredVersion) -> ItemScores | None:
    try:
        return read_side(tracker, [one.run.info.run_id], one.side, one.label)
    except UnpairedError:
        return None


def _row(one: ScoredVersion, items: ItemScores | None) -> VersionScore:
    run, version = one.run, one.version
    tags, params = run.data.tags, run.data.params
    if items is None:
        logged = dict.fromkeys(field.name for field in fields(ItemsScore)) | {
            "score": run.data.metrics.get(f"{one.side}/score")
        }
        score = ItemsScore(**logged)
    else:
        score = score_of(items)
    return of_fields(
        VersionScore,
        score,
        version=one.label,
        aliases=list(version.aliases),
        model=tags["ttt.model"],
        suite=tags.get("ttt.suite", ""),
        bench=one.bench,
        bench_version=tags.get("ttt.bench_version", ""),
        adjustment=one.adjustment,
        seed=tags["ttt.seed"],
        budget=None if one.is_base else one.budget,
        learning_rate=None if one.is_base else params.get("learning_rate"),
        saturated=None if one.is_base else _saturated(run),
        digest=version.tags.get("ttt.digest"),
        commit=tags.get("ttt.commit"),
        run_id=str(run.info.run_id),
    )
