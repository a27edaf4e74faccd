"""Cells that were not made alike are refused, whatever their names say, and the fields that differ are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.stores import TASK_DATA, Made, adjustment, ask, bench, made_models, planted, write
from ttt.comparison.conclude import conclude
from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import Excluded
from ttt.comparison.inputs import read_inputs
from ttt.comparison.options import Options
from ttt.spec import SpecError
from ttt.tracking import Tracker

N_MODELS = 6
QUICK = {"n_replicates": 99, "n_permutations": 1}
SATURATED = {"ttt.saturated": "yes"}
DIGESTS: dict[str, str | None] = dict.fromkeys(("ttt.recipe", "ttt.bench_digest", "ttt.task_data_digest"))
"""Taken away: as an earlier ttt wrote its cells."""


def cells(**changes: Any) -> list[Made]:
    made = planted(made_models(N_MODELS, n_families=N_MODELS), theta=0.1)
    return [replace(cell, tags=SATURATED, **changes) for cell in made]


def one_other(folder: Path, kind: str) -> list[Made]:
    """Cells of which the first differs in one thing that its names do not tell."""
    edited = folder / "edited.jsonl"
    edited.write_text('{"prompt": "1 + 1 =", "answer": " 3"}\n')
    lora: dict[str, Any] = {"method": "lora", "examples": 1000}
    other: dict[str, dict[str, Any]] = {
        "learning rate": {"adjustment": adjustment(learning_rate=1e-9)},
        "schedule": {"adjustment": adjustment(schedule="constant")},
        "LoRA rank": {"adjustment": adjustment(**lora, lora={"r": 2})},
        "weight decay": {"adjustment": adjustment(weight_decay=0.0)},
        "budget": {"adjustment": adjustment(examples=9)},
        "bench version": {"bench": bench(version=2)},
        "task data": {"bench": bench(task_data=[{"name": "others", "files": str(TASK_DATA), "prompt": "Q"}])},
        "edited task data": {"bench": bench(task_data=[{"name": "sums", "files": str(edited)}])},
        "leaks": {"bench": bench(leak="report")},
        "precision": {"params": {"precision": "bf16"}},
        "chat template": {"bench": bench(chat_template=True)},
        "shots seed": {"bench": bench(num_fewshot=5, fewshot_seed=1)},
        "limit": {"bench": bench(limit=60)},
        "test files": {"bench": bench(files={"test": str(edited)})},
    }
    same: dict[str, dict[str, Any]] = {
        "LoRA rank": {"adjustment": adjustment(**lora)},
        "shots seed": {"bench": bench(num_fewshot=5)},
        "test files": {"bench": bench(files={"test": str(TASK_DATA)})},
    }
    made = cells(**same.get(kind, {}))
    return [replace(made[0], **other[kind]), *made[1:]]


NAMED = {
    "learning rate": "mixed recipes: adjustment.learning_rate is 2e-05 in 5 cells (OTHERS); 1e-09 in 1 (model-000)",
    "schedule": 'adjustment.schedule is "cosine" in 5 cells (OTHERS); "constant" in 1 (model-000)',
    "LoRA rank": "adjustment.lora.r is 16 in 5 cells (OTHERS); 2 in 1 (model-000)",
    "weight decay": "adjustment.weight_decay is 0.1 in 5 cells (OTHERS); 0.0 in 1 (model-000)",
    "budget": "mixed cells: budget is 1000 examples in 5 cells (OTHERS); 9 examples in 1 (model-000)",
    "bench version": "mixed benches: bench.version is 1 in 5 cells (OTHERS); 2 in 1 (model-000)",
    "task data": 'mixed task data: bench.task_data.0.prompt is "{{prompt}}" in 5 cells (OTHERS); "Q" in 1 (model-000)',
    "edited task data": "mixed task data: the content of bench.task_data.0.files is ",
    "leaks": 'bench.leak is "remove" in 5 cells (OTHERS); "report" in 1 (model-000)',
    "precision": "mixed cells: precision is 32 in 5 cells (OTHERS); bf16 in 1 (model-000)",
    "chat template": "bench.chat_template is false in 5 cells (OTHERS); true in 1 (model-000)",
    "shots seed": "bench.fewshot_seed is 1234 in 5 cells (OTHERS); 1 in 1 (model-000)",
    "limit": "bench.limit is null in 5 cells (OTHERS); 60 in 1 (model-000)",
    "test files": "mixed benches: the content of bench.files.test is ",
}
OTHERS = ", ".join(f"model-{i:03}" for i in range(1, N_MODELS))


def compared(store: Tracker, **asked: Any) -> BenchConclusions:
    options = Options(**{**QUICK, "suite": "made", **asked})
    return conclude(store, read_inputs(store, "sums", options), options)


@pytest.mark.parametrize("kind", NAMED)
def test_final_refuses_what_was_not_made_alike_and_so_does_any_comparison(tmp_path: Path, kind: str) -> None:
    store = write(tmp_path, one_other(tmp_path, kind))
    for final in (True, False):
        with pytest.raises(SpecError) as refused:
            compared(store, final=final)
        first, *rest = str(refused.value).splitlines()
        assert NAMED[kind].replace("OTHERS", OTHERS) in first
        assert rest == ["leave cells out with exclude=[model or run id, ...]"]
    assert compared(store, final=True, exclude=("model-000",)).provisional is False


def test_only_what_differs_is_named(tmp_path: Path) -> None:
    made = cells()
    changed = adjustment(learning_rate=1e-9, warmup=0.5)
    store = write(tmp_path, [replace(made[0], adjustment=changed, bench=bench(limit=3)), *made[1:]])
    with pytest.raises(SpecError) as refused:
        compared(store)
    fields = [line.split(" is ")[0] for line in str(refused.value).splitlines()[:-1]]
    assert fields == [
        "mixed recipes: adjustment.learning_rate",
        "mixed recipes: adjustment.warmup",
        "mixed benches: bench.limit",
    ]


def test_the_recipes_own_rule_may_give_large_models_another_rate(tmp_path: Path) -> None:
    store = write(tmp_path, cells(adjustment=adjustment(low_from_params=1_000_000_000)))
    rates = {run.data.params["learning_rate"] for run in store.runs("made/sums", "cell")}
    assert rates == {"2e-05", "2e-06"}
    assert not compared(store, final=True).provisional


def test_a_file_under_another_path_is_the_same_file(tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(TASK_DATA.read_bytes())
    made = cells()
    moved = bench(task_data=[{"name": "sums", "files": str(copy)}])
    assert compared(write(tmp_path, [replace(made[0], bench=moved), *made[1:]]), final=True).n_models == N_MODELS


def test_seeds_of_one_name_that_are_two_models_are_refused(tmp_path: Path) -> None:
    made = cells()
    again = replace(made[0], seed=1, params={"source": "files:other"})
    bigger = replace(made[1], seed=1, model=made[1].model.model_copy(update={"n_params": 7}))
    with pytest.raises(SpecError, match=r"model-000 is not one model: source is files:other in run \w+; made in run"):
        compared(write(tmp_path / "sources", [*made, again]))
    with pytest.raises(SpecError, match=r"model-001 is not one model: n_params is 7 in run \w+; \d+ in run"):
        compared(write(tmp_path / "sizes", [*made, bigger]))


def test_cells_of_an_earlier_ttt_are_compared_among_themselves_and_never_final(tmp_path: Path) -> None:
    made = [replace(cell, tags={**SATURATED, **DIGESTS}) for cell in cells()]
    store = write(tmp_path / "all", made)
    found = compared(store)
    assert found.provisional
    assert "an earlier ttt" in found.provisional_reasons[0]
    with pytest.raises(SpecError, match="final: cells of an earlier ttt"):
        compared(store, final=True)
    some = write(tmp_path / "some", [*made[:2], *cells()[2:]])
    with pytest.raises(SpecError, match=r"mixed records: 2 cells of an earlier ttt \(model-000, model-001\)"):
        compared(some)
    other = [replace(made[0], adjustment=adjustment(learning_rate=1e-9)), *made[1:]]
    with pytest.raises(SpecError, match=r"adjustment.learning_rate is 2e-05 in 5 cells .*; 1e-09 in 1 \(model-000\)"):
        compared(write(tmp_path / "other", other))


def imported(cell: Made) -> Made:
    """As `ttt.ingest` writes it."""
    params = {"source": "results of lm-eval (theirs)", "precision": "unknown"}
    return replace(cell, tags={**cell.tags, "ttt.ingested": "theirs"}, params=params)


def test_imported_cells_compare_with_each_other_and_are_named_among_others(tmp_path: Path) -> None:
    made = cells()
    alone = write(tmp_path / "alone", [imported(cell) for cell in made])
    assert compared(alone, final=True).provisional_reasons == []
    digest = {"ttt.bench_digest": "of the definition alone"}
    first = imported(made[0])
    both = write(tmp_path / "both", [replace(first, tags={**first.tags, **digest}), *made[1:]])
    (reason,) = compared(both).provisional_reasons
    assert "imported results are compared with cells that were measured here" in reason
    assert reason.endswith(": model-000")
    with pytest.raises(SpecError, match="final: imported results"):
        compared(both, final=True)
    entries = {"ttt.ingested_entries": "sums_cloze, sums_other"}
    other = write(tmp_path / "entries", [replace(first, tags={**first.tags, **digest, **entries}), *made[1:]])
    assert "lm-eval's sums_cloze, sums_other and not of the bench's own" in compared(other).provisional_reasons[1]
    limited = imported(replace(made[0], bench=bench(limit=3)))
    with pytest.raises(SpecError, match=r"mixed benches: bench\.limit is null in 5 cells .*; 3 in 1 \(model-000\)"):
        compared(write(tmp_path / "limited", [limited, *made[1:]]))
    seeds = write(tmp_path / "seeds", [*made, imported(replace(made[0], seed=1))])
    with pytest.raises(
        SpecError, match=r"model-000 is not one model: source is results of lm-eval .theirs. in run \w+; made in run"
    ):
        compared(seeds)


def test_of_several_files_the_one_that_differs_is_named(tmp_path: Path) -> None:
    edited = tmp_path / "edited.jsonl"
    edited.write_text('{"prompt": "1 + 1 =", "answer": " 3"}\n')

    def of(*files: Path) -> Any:
        return bench(task_data=[{"name": "sums", "files": [str(file) for file in files]}])

    made = cells(bench=of(TASK_DATA, TASK_DATA))
    made[0] = replace(made[0], bench=of(TASK_DATA, edited))
    store = write(tmp_path / "store", made)
    with pytest.raises(SpecError, match=r"mixed task data: the content of bench\.task_data\.0\.files\.1 is ") as caught:
        read_inputs(store, "sums", Options(suite="made"))
    assert "files.0" not in str(caught.value)


def test_a_request_that_is_gone_leaves_the_digests(tmp_path: Path) -> None:
    store = write(tmp_path, one_other(tmp_path, "schedule"))
    for run in store.runs("made/sums", "cell"):
        file = store.artifact(run.info.run_id, "config.json")
        assert file
        if run.data.tags["ttt.model"] == "model-000":
            file.write_text("{")
    with pytest.raises(SpecError, match=r"mixed recipes: the digest of the recipe is \w+ in 5 cells .*; \w+ in 1 \("):
        compared(store)


STEPS = (("epochs_1", 0.1), ("epochs_2", 0.12), ("epochs_1_2", 0.12))


@pytest.mark.parametrize(
    ("changed", "n", "changes", "message"),
    [
        ("epochs_1", 8, {"bench": bench(limit=3)}, r"bench\.limit is null in 28 cells .*; 3 in 8"),
        ("epochs_2", 8, {"params": {"precision": "bf16"}}, r"precision is 32 in 28 cells .*; bf16 in 8"),
        ("epochs_1_2", 8, {"params": {"source": "new"}}, r"model-000 is not one model: source is made .*; new"),
        ("epochs_1_2", 8, {"adjustment": adjustment("epochs_1_2", clip=9.0)}, r"clip is 1\.0 in 8 cells .*; 9\.0 in 8"),
        ("epochs_1", 1, {"adjustment": adjustment("epochs_1", clip=9.0)}, r"clip is 1\.0 in 7 cells .*; 9\.0 in 1"),
    ],
)
def test_the_confound_is_not_made_of_cells_that_differ(
    tmp_path: Path, changed: str, n: int, changes: dict[str, Any], message: str
) -> None:
    """`n` of the eight older models' cells with one of its adjustments are changed."""
    made = list(planted(made_models(12), theta=0.0))
    older = [cell for cell in made if cell.model.trained < "2023-11"]
    steps = [
        replace(cell, adjustment=adjustment(name), adjusted=min(1.0, cell.base + gain))
        for name, gain in STEPS
        for cell in older
    ]
    first = next(i for i, step in enumerate(steps) if step.adjustment.name == changed)
    steps = [replace(step, **changes) if first <= i < first + n else step for i, step in enumerate(steps)]
    store = write(tmp_path, [*made, *steps])
    with pytest.raises(SpecError, match=message):
        compared(store)
    assert compared(store, confound="none").confound is None


def everywhere(change: Callable[[Made], Made]) -> list[Made]:
    """Cells on `sums` and `sums_cloze`, those on the second changed."""
    made = cells()
    cloze = bench("sums_cloze", format="cloze")
    return [*made, *(change(replace(cell, bench=cloze)) for cell in made)]


def test_benches_and_formats_are_compared_on_the_same_models_and_documents(tmp_path: Path) -> None:
    options = Options(**{**QUICK, "suite": "made"})
    asked = ["sums_cloze", "sums"]
    other = write(
        tmp_path / "source",
        everywhere(lambda c: replace(c, params={"source": "new"} if c.model.name == "model-002" else {})),
    )
    for kind in ("benches", "reformulation"):
        with pytest.raises(SpecError, match="model-002 is not one model: source is"):
            ask(other, kind, asked, options)
    limited = write(tmp_path / "limit", everywhere(lambda c: replace(c, bench=bench("sums_cloze", limit=60))))
    assert ask(limited, "benches", asked, options).n_models == N_MODELS
    with pytest.raises(SpecError, match=r"mixed cells: limit is 60 in 6 cells .*; None in 6"):
        ask(limited, "reformulation", asked, options)
    recipe = write(
        tmp_path / "recipe",
        everywhere(lambda c: replace(c, adjustment=adjustment(eps=0.1)) if c.model.name == "model-002" else c),
    )
    with pytest.raises(SpecError, match=r"adjustment\.eps is 1e-08 in 5 cells .*; 0\.1 in 1 \(model-002"):
        ask(recipe, "benches", asked, options)


def test_models_without_cells_on_every_bench_are_left_out_by_name_and_asked_nothing(tmp_path: Path) -> None:
    """Neither their saturation nor their recipe counts."""
    made = everywhere(lambda cell: cell)
    gone = replace(made[0], tags={"ttt.saturated": "no"}, adjustment=adjustment(eps=0.1))
    made = [gone, *(cell for cell in made[1:] if cell.model.name != "model-000")]
    store = write(tmp_path, made)
    options = Options(**{**QUICK, "suite": "made", "final": True, "exclude": ("model-001",)})
    found = ask(store, "benches", ["sums", "sums_cloze"], options)
    assert found.n_models == 4
    assert found.excluded == [
        Excluded("model-001", "asked for"),
        Excluded("model-000", "no cells on sums_cloze"),
    ]
    assert not found.provisional
    more = options.model_copy(update={"exclude": tuple(f"model-{i:03d}" for i in range(1, 5))})
    with pytest.raises(SpecError, match=r"1 models have cells on all the benches.*\n.*model-000: no cells on sums_cl"):
        ask(store, "benches", ["sums", "sums_cloze"], more)


def test_what_differs_is_shown_shortly(tmp_path: Path) -> None:
    made = cells()
    long = bench(tasks=[{"task": "sums", "doc_to_text": "x" * 500}])
    other = bench(tasks=[{"task": "sums", "doc_to_text": "y" * 500}])
    store = write(tmp_path, [replace(made[0], bench=long), *(replace(cell, bench=other) for cell in made[1:])])
    with pytest.raises(SpecError) as refused:
        compared(store)
    line = str(refused.value).splitlines()[0]
    assert line.startswith('mixed benches: bench.tasks.0.doc_to_text is "yyyy')
    assert len(line) < 400
    assert json.dumps("x" * 500) not in line
