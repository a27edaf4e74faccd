"""Pairs on the same documents, and several benches at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.comparison.test_alike import cells, one_other
from tests.stores import adjustment, ask, bench, item_table, made_models, planted, write
from ttt.compare import COMMAND
from ttt.comparison.conclude import conclude
from ttt.comparison.conclusions import from_json
from ttt.comparison.inputs import read_inputs
from ttt.comparison.options import Options
from ttt.comparison.pairs import ItemScores, paired_tests, score_of, ties
from ttt.comparison.ranking import paired_p
from ttt.spec import SpecError
from ttt.stats.items import mcnemar_p
from ttt.tracking import Tracker

N_ITEMS = 400
OPTIONS = Options(suite="made", n_replicates=99)


def answers(share: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(N_ITEMS) < share).astype(float)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """Five models on `sums` with items, and on `sums_cloze` without."""
    cells = list(planted(made_models(5, n_families=5), theta=0.05))
    letters = [
        replace(
            cell,
            items={
                "base": item_table(list(answers(0.3, i))),
                "adjusted": item_table(list(answers(0.4 + 0.1 * i, 10 + i))),
            },
            tags={"ttt.saturated": "yes" if i == 0 else "no"},
        )
        for i, cell in enumerate(cells)
    ]
    cloze = bench("sums_cloze", format="cloze")
    store = write(
        tmp_path_factory.mktemp("store"),
        [*letters, *(replace(cell, bench=cloze, adjusted=cell.base) for cell in cells)],
    )
    return store


def test_two_models_are_paired_on_their_documents(store: Tracker) -> None:
    found = ask(store, "items", ["sums"], OPTIONS, ["model-000", "model-003"])
    pairs = {pair.scores: pair for pair in found.pairs}
    first, second = answers(0.4, 10), answers(0.7, 13)
    after = pairs["adjusted"]
    assert after.difference == pytest.approx(second.mean() - first.mean())
    assert after.p == pytest.approx(mcnemar_p(first, second))
    assert after.low < after.difference < after.high
    assert after.n_items == N_ITEMS
    assert 0 < after.minimum_detectable_difference < 0.2
    scores = {(row.scores, row.model): row for row in found.models}
    assert scores["adjusted", "model-000"].score == pytest.approx(first.mean())
    assert scores["adjusted", "model-003"].tie_group == 1
    assert scores["adjusted", "model-000"].tie_group == 2
    assert store.read_run(found.run_id).data.tags["ttt.kind"] == "comparison"
    assert store.artifact(found.run_id, "tables/pairs.csv")


def test_many_pairs_are_judged_together() -> None:
    contenders = [_contender(f"m{i}", answers(0.5, i)) for i in range(6)]
    pairs = paired_tests(contenders)
    assert len(pairs) == 15
    assert all(pair.p_adjusted >= pair.p for pair in pairs)
    assert ties(contenders, pairs) == [1] * 6


@pytest.mark.parametrize("binary", [True, False])
def test_all_pairs_at_once_are_tested_as_one_by_one(binary: bool) -> None:
    items = np.array([answers(0.4 + 0.05 * i, i) for i in range(4)])
    items = items if binary else (items + answers(0.5, 9)) / 2
    p = paired_p(items)
    for i, j in ((0, 1), (0, 3), (2, 3)):
        one = mcnemar_p(items[i], items[j]) if binary else stats.ttest_rel(items[i], items[j]).pvalue
        assert p[i, j] == pytest.approx(one, rel=1e-8)
    assert np.diag(p) == pytest.approx(1.0)


def test_the_ranking_ties_by_items_where_all_models_have_them(store: Tracker) -> None:
    found = conclude(store, read_inputs(store, "sums", OPTIONS), OPTIONS)
    assert found.tie_test == "paired"
    unpaired = conclude(store, read_inputs(store, "sums_cloze", OPTIONS), OPTIONS)
    assert unpaired.tie_test == "unpaired"


def test_few_items_get_wilsons_interval_and_repeated_documents_are_groups() -> None:
    few = _contender("few", answers(0.5, 1)[:50])
    assert score_of(few).method == "wilson"
    repeated = ItemScores("twice", few.correct, few.documents.str.replace(r"\d$", "", regex=True))
    assert score_of(repeated).n_groups < 50
    pair = paired_tests([repeated, repeated])[0]
    assert (pair.difference, pair.p) == (0.0, 1.0)


def test_other_documents_are_no_pair() -> None:
    one, other = _contender("one", answers(0.5, 1)), _contender("other", answers(0.6, 2))
    other = replace(other, documents=other.documents + "x")
    pair = paired_tests([one, other])[0]
    assert pair.p is None
    assert pair.note == "not asked the same documents"


def _contender(label: str, correct: np.ndarray) -> ItemScores:
    table = item_table(list(correct)).set_index(["task", "doc_id"])
    return ItemScores(label, pd.Series(table["correct"]), pd.Series(table["doc_hash"]))


def test_benches_are_compared_on_the_models_they_share(store: Tracker, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    asked = ["suite=made", f"tracking.root={store.root}", f"output={file}", "n_replicates=99"]
    assert COMMAND._main(["benches=[sums,sums_cloze]", *asked]) == 0
    found = from_json(json.loads(file.read_text()))
    assert found.n_models == 5
    assert found.pairs[0].base.estimate == pytest.approx(1.0)
    assert found.first_component.base.estimate == pytest.approx(1.0)
    assert set(found.models[0].adjusted) == {"sums", "sums_cloze"}
    assert found.provisional
    assert COMMAND._main(["benches=[sums,sums_cloze]", "final=true", *asked]) == 2
    assert COMMAND._main(["benches=[sums,sums_cloze]", "exclude=[model-9]", *asked]) == 2
    assert (
        COMMAND._main(["benches=[sums,sums_cloze]", "exclude=[model-000,model-001,model-002,model-003]", *asked]) == 2
    )


def test_formats_of_the_same_questions_are_fitted_side_by_side(store: Tracker) -> None:
    found = ask(store, "reformulation", ["sums_cloze", "sums"], OPTIONS)
    assert [(fit.format, fit.scores) for fit in found.fits] == [
        ("cloze", "base"),
        ("multiple_choice", "base"),
        ("multiple_choice", "adjusted"),
    ]
    assert found.fits[0].theta == pytest.approx(found.fits[1].theta)
    assert "cloze base" in found.summary


def test_items_of_cells_that_differ_are_not_paired(tmp_path: Path) -> None:
    made = [
        replace(cell, items={side: item_table([1.0, 0.0]) for side in ("base", "adjusted")})
        for cell in one_other(tmp_path, "schedule")
    ]
    store = write(tmp_path, made)
    options = Options(suite="made")
    with pytest.raises(SpecError, match=r"adjustment\.schedule is"):
        ask(store, "items", ["sums"], options, ["model-000", "model-001"])
    found = ask(store, "items", ["sums"], options.model_copy(update={"final": True}), ["model-001", "model-002"])
    assert (found.provisional, found.provisional_reasons) == (False, [])


def test_items_that_are_not_saturated_are_not_final(tmp_path: Path) -> None:
    made = [
        replace(cell, tags={}, items={side: item_table([1.0, 0.0]) for side in ("base", "adjusted")})
        for cell in cells()
    ]
    store = write(tmp_path, made)
    with pytest.raises(SpecError, match="final: these cells are not shown to be saturated"):
        ask(store, "items", ["sums"], Options(suite="made", final=True), ["model-001", "model-002"])
    assert ask(store, "items", ["sums"], Options(suite="made"), ["model-001", "model-002"]).provisional


@pytest.fixture(scope="module")
def one_sided(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """Base scores alone on `sums_cloze`, both halves on `sums` and on `more`, adjusted ones alone on `after`."""
    cells = list(planted(made_models(6, n_families=6), theta=0.05))
    none = {"adjusted/score": None, "gain/score": None}
    cloze = [
        replace(cell, bench=bench("sums_cloze", format="cloze"), adjustment=adjustment("none"), metrics=none)
        for cell in cells
    ]
    after = [replace(cell, bench=bench("after"), metrics={"base/score": None, "gain/score": None}) for cell in cells]
    more = [replace(cell, bench=bench("more")) for cell in cells[:5]]
    return write(tmp_path_factory.mktemp("store"), [*cells, *cloze, *after, *more])


def test_a_format_that_was_not_adjusted_is_fitted_as_it_is(one_sided: Tracker) -> None:
    found = ask(one_sided, "reformulation", ["sums_cloze", "sums"], OPTIONS)
    assert [(fit.format, fit.scores) for fit in found.fits] == [
        ("cloze", "base"),
        ("multiple_choice", "base"),
        ("multiple_choice", "adjusted"),
    ]
    assert not [reason for reason in found.provisional_reasons if "half" in reason]
    found = ask(one_sided, "reformulation", ["sums_cloze", "sums_cloze"], OPTIONS)
    assert [fit.scores for fit in found.fits] == ["base", "base"]
    assert "sums_cloze: the adjusted half of all 6 models is missing" in found.provisional_reasons


def test_benches_agree_on_the_half_that_all_of_them_have(one_sided: Tracker) -> None:
    found = ask(one_sided, "benches", ["sums", "sums_cloze"], OPTIONS)
    assert found.pairs[0].base.estimate == pytest.approx(1.0)
    assert found.pairs[0].adjusted is found.first_component.adjusted is None
    assert "1.00 before adjusting" in found.summary
    found = ask(one_sided, "benches", ["sums", "after", "more"], OPTIONS)
    assert found.pairs[0].base is None
    assert found.pairs[0].adjusted.estimate == pytest.approx(1.0)
    assert [(line.model, line.reason) for line in found.excluded] == [("model-005", "no cells on more")]
    with pytest.raises(SpecError, match="no half is there on all of them"):
        ask(one_sided, "benches", ["after", "sums_cloze"], OPTIONS)


def test_models_are_paired_on_the_half_that_they_have(store: Tracker, tmp_path: Path) -> None:
    cells = [
        replace(cell, adjustment=adjustment("none"), items={"base": item_table(list(answers(0.3 + 0.3 * i, i)))})
        for i, cell in enumerate(planted(made_models(2, n_families=2), theta=0.05))
    ]
    found = ask(write(tmp_path, cells), "items", ["sums"], OPTIONS, ["model-000", "model-001"])
    assert (found.adjustment, [pair.scores for pair in found.pairs]) == ("none", ["base"])
    assert found.pairs[0].n_items_to_decide < N_ITEMS
    assert found.provisional_reasons == ["the adjusted half of all 2 models is missing"]
