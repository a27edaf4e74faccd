"""Registered versions beside each other: all of a model, bench by bench, and the finals of a bench."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stores import Made, adjustment, ask, bench, item_table, made_models, planted, write
from ttt.cell.read import check_items, items_tag
from ttt.cli.composition import Composer
from ttt.cli.terminal import Terminal
from ttt.compare import COMMAND, again, parse
from ttt.comparison.conclusions import VersionConclusions
from ttt.comparison.options import Options
from ttt.comparison.terminal import show_conclusions
from ttt.files.hashing import file_digest
from ttt.spec import SpecError
from ttt.tracking import Tracker, Version, alias_of

N_ITEMS = 200
OPTIONS = Options(suite="made")
FINAL = alias_of("final", "sums")


def answers(share: float, seed: int) -> list[float]:
    return list((np.random.default_rng(seed).random(N_ITEMS) < share).astype(float))


def cells(n: int = 2, **changes: Any) -> list[Made]:
    """Adjusted cells of `n` models on `sums`, saturated, with items."""
    return [
        replace(
            cell,
            items={"base": item_table(answers(0.3, i)), "adjusted": item_table(answers(0.5 + 0.2 * i, 10 + i))},
            tags={"ttt.saturated": "yes"},
            **changes,
        )
        for i, cell in enumerate(planted(made_models(n), theta=0.0))
    ]


def register(
    tracker: Tracker, run: Any, aliases: tuple[str, ...] = (), model: str = "", tags: Mapping[str, str] | None = None
) -> Version:
    """A version of a cell's weights, as a cell registers it."""
    of = run.data.tags
    where = f"{of['ttt.suite']}/{of['ttt.bench']}"
    named = {f"cell/{where}": run.info.run_id, f"score/{where}": "0.5", "ttt.digest": run.info.run_id[:8]}
    return tracker.registry.register(
        model or of["ttt.model"], run.info.run_id, "items", {**named, **(tags or {})}, aliases
    )


def compared(tracker: Tracker, name: str, options: Options = OPTIONS) -> VersionConclusions:
    found = ask(tracker, "versions", [name], options)
    assert isinstance(found, VersionConclusions)
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """A model's base, adjusted and further adjusted versions on two benches, and another model; the last ones final."""
    first, second = cells()
    cloze = bench("sums_cloze", format="cloze")
    base = replace(first, adjustment=adjustment("none"), adjusted=first.base, items={"base": first.items["base"]})
    more = replace(first, adjustment=adjustment("more", examples=2000), items=second.items)
    made = [base, first, more, *(replace(cell, bench=cloze) for cell in (base, first)), second]
    store = write(tmp_path_factory.mktemp("store"), made)
    runs = {(run.info.run_name, run.data.tags["ttt.bench"]): run for of in ("sums", "sums_cloze")
            for run in store.runs(f"made/{of}", "cell")}  # fmt: skip
    for label, aliases in (("none s0", ("base",)), ("full s0", ()), ("more s0", (FINAL, "adjusted-sums"))):
        on_cloze = runs.get((f"model-000 {label}", "sums_cloze"))
        tags = {"cell/made/sums_cloze": on_cloze.info.run_id} if on_cloze else {}
        register(store, runs[f"model-000 {label}", "sums"], aliases, tags=tags)
    register(store, runs["model-001 full s0", "sums"], (FINAL,))
    return store


def test_all_versions_of_a_model_are_compared_bench_by_bench(
    store: Tracker, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(store, "model-000")
    assert [(row.bench, row.version, row.adjustment) for row in found.versions] == [
        ("sums", "model-000 v1", "none"),
        ("sums", "model-000 v2", "full"),
        ("sums", "model-000 v3", "more"),
        ("sums_cloze", "model-000 v1", "none"),
        ("sums_cloze", "model-000 v2", "full"),
    ]
    assert (found.n_versions, found.benches) == (3, ["sums", "sums_cloze"])
    base, full, more = found.versions[:3]
    assert base.score == pytest.approx(np.mean(answers(0.3, 0)))
    assert (base.budget, base.saturated, base.aliases) == (None, None, ["base"])
    assert full.score == pytest.approx(np.mean(answers(0.5, 10)))
    assert full.low < full.score < full.high
    assert (full.saturated, full.budget) == ("yes", "1000 examples")
    assert full.digest == full.run_id[:8]
    assert (more.budget, more.score) == ("2000 examples", pytest.approx(np.mean(answers(0.7, 11))))
    assert {pair.bench for pair in found.pairs} == {"sums", "sums_cloze"}
    assert [(pair.first, pair.second) for pair in found.pairs if pair.bench == "sums"] == [
        ("model-000 v1", "model-000 v2"),
        ("model-000 v1", "model-000 v3"),
        ("model-000 v2", "model-000 v3"),
    ]
    assert not found.provisional
    assert COMMAND._main(["versions=model-000", "suite=made", f"tracking.root={store.root}", "final=true"]) == 0
    assert "on sums_cloze" in capsys.readouterr().out
    out = Terminal(width=80, file=io.StringIO())
    show_conclusions(found, out)
    shown = out.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, shown)) <= 80
    lines = [line.strip() for line in shown]
    [row] = [line for line in lines if line.startswith("model-000 v3 ") and "−" not in line]
    assert row.split()[:3] == ["model-000", "v3", f"{more.score:.3f}"]
    assert "more, 2000" in row, "whole words in every column"
    assert [line.split()[0] for line in lines[lines.index(row) + 1 :][:2]] == ["adjusted-sums", "final-sums"]
    assert any(line.startswith("model-000 v3 − v2 ") for line in lines)


def test_the_finals_of_a_bench_are_found_by_their_alias_alone(store: Tracker) -> None:
    found = compared(store, "sums")
    assert [row.version for row in found.versions] == ["model-000 v3", "model-001 v1"]
    assert [row.bench for row in found.versions] == ["sums", "sums"]
    assert len(found.pairs) == 1
    for part in ("um", "sum", "cloze", "model", "model-00"):
        with pytest.raises(SpecError, match=rf"'{part}' is no registered model, and no version is final .*model-000"):
            compared(store, part)


def test_a_name_that_is_a_model_and_a_bench_is_refused_until_one_is_meant(tmp_path: Path) -> None:
    first, second = cells()
    named = replace(second, model=second.model.model_copy(update={"name": "sums"}))
    store = write(tmp_path, [first, named])
    for run in store.runs("made/sums", "cell"):
        register(store, run, (FINAL,) if run.data.tags["ttt.model"] == "model-000" else ())
    with pytest.raises(SpecError, match=r"say which is meant: versions=model:sums or versions=bench:sums"):
        compared(store, "sums")
    assert [row.version for row in compared(store, "model:sums").versions] == ["sums v1"]
    assert [row.version for row in compared(store, "bench:sums").versions] == ["model-000 v1"]
    assert [row.version for row in compared(store, "model-000").versions] == ["model-000 v1"]
    composer = Composer("compare", ["versions=bench:sums", "suite=made"])
    asked = parse(composer.values(composer.texts)[0])
    assert asked.names == ("bench:sums",)
    assert "bench:sums" in again(asked)


def test_finals_that_were_made_unlike_are_named_and_not_final(tmp_path: Path) -> None:
    first, second = cells()
    store = write(tmp_path, [first, replace(second, adjustment=adjustment(learning_rate=1e-9))])
    for run in store.runs("made/sums", "cell"):
        register(store, run, (FINAL,))
    found = compared(store, "sums")
    assert found.provisional
    assert (
        "adjustment.learning_rate is 1e-09 in 1 cell (model-001); 2e-05 in 1 (model-000)"
        in (found.provisional_reasons[0])
    )
    with pytest.raises(SpecError, match=r"final: mixed recipes: adjustment\.learning_rate"):
        compared(store, "sums", OPTIONS.model_copy(update={"final": True}))


def test_versions_that_were_asked_otherwise_are_refused(tmp_path: Path) -> None:
    first, second = cells()
    store = write(tmp_path, [first, replace(second, bench=bench(limit=3)), replace(first, seed=1)])
    for run in store.runs("made/sums", "cell"):
        register(store, run, (FINAL,))
    with pytest.raises(
        SpecError, match=r"mixed benches: bench\.limit is 3 in 1 cell \(model-001\); null in 1 \(model-000\)"
    ):
        compared(store, "sums")
    found = compared(store, "sums", OPTIONS.model_copy(update={"exclude": ("model-001",)}))
    assert [row.model for row in found.versions] == ["model-000"]
    assert found.excluded[0].model == "model-001"


def test_versions_that_are_not_saturated_are_not_final(tmp_path: Path) -> None:
    store = write(tmp_path, [replace(cells(1)[0], tags={"ttt.saturated": "no"})])
    register(store, store.runs("made/sums", "cell")[0])
    assert compared(store, "model-000").provisional_reasons == ["1 of 1 versions not saturated: model-000 v1 on sums"]
    with pytest.raises(SpecError, match="final: 1 of 1 versions not saturated"):
        compared(store, "model-000", OPTIONS.model_copy(update={"final": True}))


def test_a_version_whose_items_were_changed_is_left_out_by_name(tmp_path: Path) -> None:
    store = write(tmp_path, cells())
    for run in store.runs("made/sums", "cell"):
        version = register(store, run, model="several")
        kept = check_items(store, run.info.run_id, "adjusted")
        store.open(run.info.run_id).tags({items_tag("adjusted"): file_digest(kept)})
    item_table([1.0] * N_ITEMS).to_parquet(kept, index=False)
    found = compared(store, "several")
    assert [row.version for row in found.versions] == ["several v1"]
    [left_out] = found.left_out
    assert left_out.version == f"several v{version.number}"
    assert "items/adjusted.parquet is not what was logged" in left_out.reason


def test_a_version_without_items_has_the_score_that_was_logged(tmp_path: Path) -> None:
    store = write(tmp_path, [replace(cells(1)[0], items={}, adjusted=0.75)])
    register(store, store.runs("made/sums", "cell")[0], model="bare", tags={"x": "y"})
    (row,) = compared(store, "bare").versions
    assert (row.score, row.low, row.n_items, row.tie_group) == (0.75, None, None, None)


def test_versions_of_another_suite_are_named(store: Tracker) -> None:
    with pytest.raises(SpecError, match=r"nothing is left of 'model-001' in suite 'mine': model-001 v1: it has no cell "
                       r"in suite 'mine'; it has: made/sums"):  # fmt: skip
        compared(store, "model-001", Options(suite="mine"))
