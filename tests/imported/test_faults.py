"""One bad file, cell or value stops nothing but itself, whatever its fault: it is named, and the rest goes in."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from tests.ingested import cell, ingest, write
from ttt.catalogue.definitions import Definitions
from ttt.cell.read import read_result
from ttt.cli.command import CONF
from ttt.imported.ingest import Measured
from ttt.imported.pattern import Pattern
from ttt.imported.reading import Omissions, read_folder, result_files
from ttt.ingest import COMMAND
from ttt.spec import SpecError
from ttt.tasks.metrics import metric_name

N = 8


def results(task: str = "letters", score: float = 0.5, n: int = N, **changes: Any) -> dict[str, Any]:
    scores = {"acc,none": score, "acc_stderr,none": math.sqrt(score * (1 - score) / (n - 1)), "alias": task}
    return {
        **{"results": {task: scores}, "group_subtasks": {task: []}, "n-shot": {task: 0}},
        **{"n-samples": {task: {"original": n, "effective": n}}, "config": {"limit": None}, "chat_template": None},
        **changes,
    }


def sample(i: int, **changes: Any) -> dict[str, Any]:
    """A document of four choices, of which every second is answered rightly."""
    right = i % 4 if i % 2 else (i + 1) % 4
    answers = [["-1.0" if choice == right else "-2.0", "False"] for choice in range(4)]
    arguments = {f"gen_args_{choice}": {"arg_0": "question", "arg_1": f" {choice}"} for choice in range(4)}
    return {
        **{"doc_id": i, "doc_hash": f"d{i}", "prompt_hash": f"p{i}", "target": str(i % 4), "filter": "none"},
        **{"arguments": arguments, "filtered_resps": answers, "acc": float(i % 2), **changes},
    }


def lines(samples: list[Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in samples)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    conf = tmp_path / "conf"
    bench = {"name": "letters", "version": 1, "format": "multiple_choice", "chance": 0.25, "metric": "acc,none"}
    write(conf / "bench" / "letters.yaml", {**bench, "tasks": ["letters"]})
    write(conf / "bench" / "both.yaml", {**bench, "name": "both", "tasks": ["one", "two"]})
    for name in ("tiny", "small", "other"):
        model(conf, name)
    return conf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One good file with its samples, of the model `tiny`."""
    here = tmp_path / "results" / "tiny"
    write(here / "results_1.json", results())
    write(here / "samples_letters_1.jsonl", lines([sample(i) for i in range(N)]))
    return here.parent


HUGE = "1" + "0" * 400
DIAMONDS = {f"g{i}": [f"g{i + 1}", f"h{i + 1}"] for i in range(60)} | {f"h{i}": [f"g{i + 1}"] for i in range(60)}
TEXT = json.dumps(results())
SKIPPED: dict[str, tuple[str, bytes | str | dict[str, Any], str]] = {
    "a number that no float holds": ("broken", TEXT.replace("0.5,", f"{HUGE},"), "has no 'acc,none'"),
    "infinity": ("broken", TEXT.replace("0.5,", "1e999,"), "has no 'acc,none'"),
    "a truth value": ("broken", TEXT.replace("0.5,", "true,"), "has no 'acc,none'"),
    "a number of 5,000 digits": ("broken", TEXT.replace("0.5,", "1" * 5000 + ","), "not JSON"),
    "another encoding": ("broken", TEXT.replace("alias", "âlias").encode("latin-1"), "not JSON"),
    "nothing": ("broken", b"", "not JSON"),
    "depth": ("broken", '{"results":' * 50_000, "not JSON"),
    "an error below zero": ("broken", TEXT.replace('stderr,none": 0.', 'stderr,none": -0.'), "not between 0 and 1"),
    "an error in percent": ("broken", TEXT.replace('stderr,none": 0.', 'stderr,none": 18.'), "not between 0 and 1"),
    "a limit as text": ("broken", results(config={"limit": "10"}), "'10', which is no number"),
    "a part": ("other protocol", results(**{"n-samples": {"letters": {"original": 80, "effective": 8}}}),
               "asked 8 of its 80"),
    "shots as 7.0": ("other protocol", results(**{"n-shot": {"letters": 7.0}}), "7 shots"),
    "a circle": ("broken", results(group_subtasks={"letters": ["a"], "a": ["letters"]}), "in a circle"),
    "a group without its task": ("broken", results(group_subtasks={"letters": ["gone"]}), "has no entry 'gone'"),
    "many ways to nowhere": ("broken", results(group_subtasks={"letters": ["g0"], **DIAMONDS}), "has no entry"),
}  # fmt: skip


def model(conf: Path, name: str) -> str:
    facts = {"name": name, "family": "made", "n_params": 10**6, "n_tokens": 10**9, "trained": "2024-01"}
    write(conf / "model" / f"{name}.yaml", {**facts, "hub": f"someone/{name}"})
    return name


def test_bad_files_are_skipped_by_name(folder: Path, conf: Path) -> None:
    names = {fault: model(conf, f"m{i}") for i, fault in enumerate(SKIPPED)}
    for fault, (_, content, _) in SKIPPED.items():
        bad = write(folder / names[fault] / "results_1.json", "" if isinstance(content, bytes) else content)
        if isinstance(content, bytes):
            bad.write_bytes(content)
    report, _ = ingest(folder, conf=str(conf))
    assert (report["n_new"], report["n_files_skipped"]) == (1, len(SKIPPED))
    for fault, (reason, _, why) in SKIPPED.items():
        assert why in report["skipped"][reason][f"{names[fault]}/results_1.json"], fault


def test_what_is_only_written_otherwise_is_read(folder: Path, conf: Path) -> None:
    encodings = {"small": "utf-16", "other": "utf-8-sig"}
    for name, encoding in encodings.items():
        (folder / name).mkdir()
        changed = results(**{"n-shot": {"letters": 0.0}, "n-samples": {"letters": {"effective": 8.0}}})
        (folder / name / "results_1.json").write_text(json.dumps(changed), encoding=encoding)
        written = lines([sample(i) for i in range(N)])
        (folder / name / "samples_letters_1.jsonl").write_text(written + "\n", encoding="utf-8-sig")
    report, tracker = ingest(folder, conf=str(conf))
    assert (report["n_new"], report["skipped"], report["notes"]) == (3, {}, {})
    for name in encodings:
        run = cell(tracker, "letters", f"{name} none s0")
        assert read_result(tracker, run.info.run_id).n_items == N
        assert tracker.artifact(run.info.run_id, "items/base.parquet")


def test_what_is_no_file_or_has_an_odd_name(folder: Path, conf: Path) -> None:
    (folder / "small" / "results_1.json").mkdir(parents=True)
    (folder / "small" / "results_2.json").symlink_to("results_2.json")
    (folder / "small" / "again").symlink_to(folder)
    os.mkfifo(folder / "small" / "results_3.json")
    odd = [b"results_\xff.json", b"a\x1b[31mb\nc.json", b"results_'\";--.json"]
    for name in odd:
        Path(os.fsdecode(os.fsencode(folder / "small") + b"/" + name)).write_text("{")
    write(folder / ("m" * 250) / "results_1.json", results())
    report, tracker = ingest(folder, conf=str(conf))
    assert (report["n_new"], report["n_files_skipped"]) == (1, 5)
    assert "cannot be read" in report["skipped"]["broken"]["small/results_2.json"]
    assert "small/results_\\udcff.json" in report["skipped"]["broken"]
    assert "small/a\\x1b[31mb\\nc.json" in report["skipped"]["no meaning"]
    assert tracker.read_json(report["run_id"], "report.json")["skipped"] == report["skipped"]


def test_lm_evals_own_folder_under_the_models(folder: Path, conf: Path) -> None:
    (folder / "tiny").rename(folder / "moved")
    for own in ("someone__tiny", "__home__me__checkpoints__tiny"):
        target = folder / "tiny" / own
        target.mkdir(parents=True)
        for file in (folder / "moved").iterdir():
            (target / file.name.replace("_1.", "_1." if own == "someone__tiny" else "_2.")).write_bytes(
                file.read_bytes()
            )
    write(folder / "small" / "someone__other" / "results_1.json", results())
    report, tracker = ingest(folder, conf=str(conf))
    assert report["n_new"] == 1
    assert list(report["skipped"]["replaced"]) == ["tiny/someone__tiny/results_1.json"]
    assert (
        "of other by its own folder, and of small"
        in report["skipped"]["no meaning"]["small/someone__other/results_1.json"]
    )
    run = cell(tracker, "letters", "tiny none s0")
    assert tracker.artifact(run.info.run_id, "items/base.parquet")


SAMPLES: dict[str, tuple[list[Any] | str, str]] = {
    "no lines": ([], "their mean is nan"),
    "another encoding": ("\xff\xfe", "UnicodeDecodeError"),
    "not JSON": ("{", "JSONDecodeError"),
    "a list": ([[1]], "TypeError"),
    "a field is missing": ([{"doc_id": 1}], "KeyError"),
    "a document twice": ([sample(i % 4) for i in range(N)], "there twice"),
    "fewer documents": ([sample(i) for i in range(N - 2)], "there are 6 of 8 documents"),
    "documents by text": ([sample(i, doc_id=str(i)) for i in range(N)], "doc_id is '0'"),
    "documents by fractions": ([sample(i, doc_id=i + 0.5) for i in range(N)], "doc_id is 0.5"),
    "a document beyond all": ([sample(i, doc_id=i + 10**30) for i in range(N)], "doc_id is 1000"),
    "hashes of two types": ([sample(i, doc_hash=i) for i in range(N)], "doc_hash is 0"),
    "no likelihood": ([sample(i, filtered_resps=[["nan", "False"]] * 4) for i in range(N)], "log-likelihood is nan"),
    "infinite likelihood": ([sample(i, filtered_resps=[["-inf", "False"]] * 4) for i in range(N)], "is -inf"),
    "no answers": ([sample(i, filtered_resps=[]) for i in range(N)], "IndexError"),
    "a number that no float holds": ([sample(i, acc=10**400) for i in range(N)], "OverflowError"),
    "no number": ([sample(i, acc=None if i % 2 == 0 else 0.5) for i in range(N)], "some have no number"),
}


def test_bad_samples_leave_the_score(folder: Path, conf: Path) -> None:
    names = {fault: model(conf, f"m{i}") for i, fault in enumerate(SAMPLES)}
    for fault, (content, _) in SAMPLES.items():
        write(folder / names[fault] / "results_1.json", results())
        text = content if isinstance(content, str) else lines(content)
        (folder / names[fault] / "samples_letters_1.jsonl").write_bytes(text.encode("latin-1"))
    report, tracker = ingest(folder, conf=str(conf))
    assert report["n_new"] == 1 + len(SAMPLES)
    for fault, (_, why) in SAMPLES.items():
        told = report["skipped"]["broken samples"][f"samples of {names[fault]}/results_1.json [letters]"]
        assert why in told, fault
        run = cell(tracker, "letters", f"{names[fault]} none s0")
        assert run.data.metrics["base/score"] == 0.5
        assert tracker.artifact(run.info.run_id, "items/base.parquet") is None


def test_metrics_of_any_name_are_tracked(folder: Path, conf: Path) -> None:
    told = results()
    odd = {"pass@1,create_test": 0.25, "pass@1_stderr,create_test": 0.1, "exact_match,maj@8": 0.75, "score,none": 0.9}
    odd |= {"a" * 5000 + ",none": 0.1, "a" * 5000 + "b,none": 0.2, "über/всё 'x'\n,none": 0.3, "../..,none": 0.4}
    told["results"]["letters"] |= odd
    write(folder / "tiny" / "results_1.json", told)
    report, tracker = ingest(folder, conf=str(conf))
    assert report["n_new"] == 1
    metrics = cell(tracker, "letters", "tiny none s0").data.metrics
    assert metrics["base/pass:at:1.create_test"] == 0.25
    assert metrics["base/pass:at:1.create_test_stderr"] == 0.1
    assert metrics["base/exact_match.maj:at:8"] == 0.75
    assert metrics["base/score"] == 0.5, "a metric that is called score is not the score"
    assert metrics["base/score.none"] == 0.9
    assert {0.1, 0.2, 0.3, 0.4} <= set(metrics.values())


part = st.text(st.sampled_from("ab1_@.:,-/ é\n\ud800"), min_size=1, max_size=8) | st.sampled_from(
    ["acc", "score", "stderr", "acc_stderr", "none", "_stderr", "brier", "x" * 300, "x" * 299]
)
key = st.builds("{},{}".format, part.filter(lambda text: "," not in text), part)


@given(key, key)
@settings(max_examples=500, deadline=None)
def test_no_two_metrics_have_one_name(one: str, other: str) -> None:
    for side in ("base", "adjusted"):
        _validate_metric_name(f"{side}/{metric_name(one)}")
        assert len(f"{side}/{metric_name(one)}") <= 250
    assert (metric_name(one) == metric_name(other)) == (one == other)


@pytest.mark.parametrize(
    ("lm_evals", "ours"),
    [
        ("acc,none", "acc"),
        ("acc_stderr,none", "acc_stderr"),
        ("exact_match,strict-match", "exact_match.strict-match"),
        ("exact_match_stderr,strict-match", "exact_match.strict-match_stderr"),
    ],
)
def test_plain_names_stay(lm_evals: str, ours: str) -> None:
    assert metric_name(lm_evals) == ours


def test_a_cell_that_cannot_be_written_fails_alone(folder: Path, conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "small" / "results_1.json", results())
    import ttt.imported.ingest

    def last_step(measured: Measured, pattern: Pattern) -> int:
        return 2**70 if measured.cell.model.name == "small" else 0

    monkeypatch.setattr(ttt.imported.ingest, "_last_step", last_step)
    report, tracker = ingest(folder, conf=str(conf))
    assert (report["n_new"], report["n_cells"], report["n_files_used"]) == (1, 1, 1)
    assert list(report["skipped"]["not written"]) == ["small none s0 on letters"]
    (failed,) = tracker.client.search_runs([tracker.experiment("theirs/letters")], "attributes.status = 'FAILED'")
    assert failed.data.tags["ttt.model"] == "small"
    monkeypatch.undo()
    report, _ = ingest(folder, conf=str(conf))
    assert (report["n_new"], report["n_unchanged"], report["skipped"]) == (1, 1, {})


def test_a_good_file_is_not_replaced_by_one_whose_name_cannot_be_kept(folder: Path, conf: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(folder / "tiny") + b"/results_\xff.json"))
    write(odd, results(date=9e9))
    report, _ = ingest(folder, conf=str(conf))
    assert (report["n_new"], report["n_files_used"]) == (1, 1)
    assert "is not UTF-8" in report["skipped"]["broken"]["tiny/results_\\udcff.json"]


def test_nothing_written_is_a_failure_and_no_result(
    folder: Path, conf: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ttt.imported.ingest

    argv = [f"path={folder}", "suite=theirs", f"conf={conf}", f"tracking.root={folder.parent / 'mlruns'}"]
    monkeypatch.setattr(ttt.imported.ingest, "_last_step", lambda *_: 2**70)
    assert COMMAND._main(argv) == 1
    assert "none of the cells could be written tiny none s0 on letters" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr(ttt.imported.ingest, "_last_step", None)  # a mistake of ours, which is no fault of the cell's
    assert COMMAND._main(argv) == 1
    assert "TypeError" in capsys.readouterr().err


def test_a_step_beyond_counting(folder: Path, conf: Path) -> None:
    write(folder / "full" / "tiny" / f"step_1{'0' * 30}" / "results_1.json", results())
    report, _ = ingest(folder, conf=str(conf))
    assert "no adjustment sees as many as 6.4e+31 examples" in str(report["skipped"]["no meaning"])


def test_a_faulty_definition_stops_only_what_needs_it(folder: Path, conf: Path) -> None:
    write(folder / "broken" / "results_1.json", results())
    write(folder / "small" / "results_1.json", results("dancing"))
    write(conf / "model" / "broken.yaml", "name: [")
    write(conf / "bench" / "broken.yaml", "defaults: [broken]")
    write(conf / "bench" / "numbers.yaml", "{tasks: [1, {task: x}], name: 3}")
    (conf / "bench" / "folder.yaml").mkdir()
    report, _ = ingest(folder, conf=str(conf))
    assert report["n_new"] == 1
    assert "model/broken.yaml, line 1: expected" in report["skipped"]["model without facts"]["broken/results_1.json"]
    assert "bench/broken.yaml cannot be read" in report["skipped"]["unknown task"]["small/results_1.json"]


numbers = st.one_of(st.integers(), st.just(10**400), st.floats(), st.booleans())
anything = st.recursive(
    st.none() | numbers | st.text(max_size=5) | st.sampled_from(["acc,none", "one", "letters"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    ):
        found += places(inner, (*path, name))
    return found


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for name in path[:-1]:
        value = value[name]
    value[path[-1]] = new


BOTH = {
    "results": {name: {"acc,none": 0.5, "acc_stderr,none": 0.1889822365046136} for name in ("one", "two", "all")},
    "group_subtasks": {"all": ["one", "two"], "one": []},
    "n-samples": {name: {"original": N, "effective": N} for name in ("one", "two")},
    "n-shot": {"one": 0, "two": 0, "all": 0},
    "config": {"limit": None},
    "chat_template": None,
}


@pytest.fixture
def definitions(conf: Path) -> Definitions:
    return Definitions([CONF, conf])


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_stops_the_reading(tmp_path: Path, definitions: Definitions, data: st.DataObject) -> None:
    told, items = json.loads(json.dumps(BOTH)), [sample(i) for i in range(N)]
    for target in data.draw(st.lists(st.sampled_from([told, told, items]), min_size=1, max_size=3)):
        spots = places(target)
        if spots:
            put(target, data.draw(st.sampled_from(spots)), data.draw(anything))
    here = tmp_path / "mutated"
    write(here / "tiny" / "results_1.json", told)
    for task in ("one", "two"):
        write(here / "tiny" / f"samples_{task}_1.jsonl", lines(items))
    omissions = Omissions()
    pattern = definitions.read("ingest", "harness", Pattern)
    for reading in read_folder(here, result_files(here), pattern, definitions, omissions, lambda i, n: None):
        assert 0 <= (reading.side["score"] or 0) <= 1
        assert all(value is None or math.isfinite(value) for value in reading.side.values())
        _measure(reading, tmp_path, omissions)
    json.dumps(omissions.skipped, ensure_ascii=False, allow_nan=False).encode()


def _measure(reading: Any, scratch: Path, omissions: Omissions) -> None:
    """Make a cell's items of a reading, as writing it does, without a store."""
    from ttt.imported.ingest import _cells, _items

    for measured in _cells([reading], "theirs", omissions):
        for table in _items(measured, scratch, omissions).values():
            assert table["correct"].mean() == pytest.approx(reading.side["score"])


def test_nothing_that_can_be_ingested_is_a_wrong_request(tmp_path: Path, conf: Path) -> None:
    write(tmp_path / "results" / "tiny" / "results_1.json", "{")
    with pytest.raises(SpecError, match=r"can be ingested\ntiny/results_1.json: not JSON"):
        ingest(tmp_path / "results", conf=str(conf))
