"""One bad file, cell or value stops nothing but itself, whatever its fault: it is named, and the rest goes in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.imported.made_results import N, lines, model, results, sample
from tests.ingested import cell, ingest, write
from ttt.cell.read import read_result
from ttt.spec import SpecError

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


def test_bad_files_are_skipped_by_name(folder: Path, conf: Path) -> None:
    names = {fault: model(conf, f"m{i}") for i, fault in enumerate(SKIPPED)}
    for fault, (_, content, _) in SKIPPED.items():
        bad = write(folder / names[fault] / "results_1.json", "" if isinstance(content, bytes) else content)
        if isinstance(content, bytes):
            bad.write_bytes(content)
    report, _ = ingest(folder, conf=[str(conf)])
    assert (report["n_new"], report["n_files_skipped"]) == (1, len(SKIPPED))
    for fault, (reason, _, why) in SKIPPED.items():
        assert why in report["skipped"][reason][f"{names[fault]}/results_1.json"], fault


@pytest.mark.parametrize(("score", "error"), [(-0.04, 0.02), (45.2, 2.1)])
def test_scores_by_a_metric_of_another_scale_are_taken_as_they_are(
    folder: Path, conf: Path, score: float, error: float
) -> None:
    bench = json.loads((conf / "bench" / "letters.yaml").read_text())
    write(conf / "bench" / "cola.yaml", {**bench, "name": "cola", "metric": "mcc,none", "tasks": ["cola"]})
    for name, of in {"small": (score, error), "other": (score, -error)}.items():
        entry = {"mcc,none": of[0], "mcc_stderr,none": of[1], "alias": "cola"}
        write(folder / name / "results_1.json", results("cola", results={"cola": entry}))
    report, tracker = ingest(folder, conf=[str(conf)])
    run = cell(tracker, "cola", "small none s0")
    assert (run.data.metrics["base/score"], run.data.metrics["base/score_stderr"]) == (score, error)
    assert f"is {-error}, which is below 0" in report["skipped"]["broken"]["other/results_1.json"]


def test_what_is_only_written_otherwise_is_read(folder: Path, conf: Path) -> None:
    encodings = {"small": "utf-16", "other": "utf-8-sig"}
    for name, encoding in encodings.items():
        (folder / name).mkdir()
        changed = results(**{"n-shot": {"letters": 0.0}, "n-samples": {"letters": {"effective": 8.0}}})
        (folder / name / "results_1.json").write_text(json.dumps(changed), encoding=encoding)
        written = lines([sample(i) for i in range(N)])
        (folder / name / "samples_letters_1.jsonl").write_text(written + "\n", encoding="utf-8-sig")
    report, tracker = ingest(folder, conf=[str(conf)])
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
    report, tracker = ingest(folder, conf=[str(conf)])
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
    report, tracker = ingest(folder, conf=[str(conf)])
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
    report, tracker = ingest(folder, conf=[str(conf)])
    assert report["n_new"] == 1 + len(SAMPLES)
    for fault, (_, why) in SAMPLES.items():
        told = report["skipped"]["broken samples"][f"samples of {names[fault]}/results_1.json [letters]"]
        assert why in told, fault
        run = cell(tracker, "letters", f"{names[fault]} none s0")
        assert run.data.metrics["base/score"] == 0.5
        assert tracker.artifact(run.info.run_id, "items/base.parquet") is None


def test_a_good_file_is_not_replaced_by_one_whose_name_cannot_be_kept(folder: Path, conf: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(folder / "tiny") + b"/results_\xff.json"))
    write(odd, results(date=9e9))
    report, _ = ingest(folder, conf=[str(conf)])
    assert (report["n_new"], report["n_files_used"]) == (1, 1)
    assert "is not UTF-8" in report["skipped"]["broken"]["tiny/results_\\udcff.json"]


def test_a_step_beyond_counting(folder: Path, conf: Path) -> None:
    write(folder / "full" / "tiny" / f"step_1{'0' * 30}" / "results_1.json", results())
    report, _ = ingest(folder, conf=[str(conf)])
    assert "no adjustment sees as many as 6.4e+31 examples" in str(report["skipped"]["no meaning"])


def test_a_faulty_definition_stops_only_what_needs_it(folder: Path, conf: Path) -> None:
    write(folder / "broken" / "results_1.json", results())
    write(folder / "small" / "results_1.json", results("dancing"))
    write(conf / "model" / "broken.yaml", "name: [")
    write(conf / "bench" / "broken.yaml", "defaults: [broken]")
    write(conf / "bench" / "numbers.yaml", "{tasks: [1, {task: x}], name: 3}")
    (conf / "bench" / "folder.yaml").mkdir()
    report, _ = ingest(folder, conf=[str(conf)])
    assert report["n_new"] == 1
    assert "model/broken.yaml, line 1: expected" in report["skipped"]["model without facts"]["broken/results_1.json"]
    assert "bench/broken.yaml cannot be read" in report["skipped"]["unknown task"]["small/results_1.json"]


def test_nothing_that_can_be_ingested_is_a_wrong_request(tmp_path: Path, conf: Path) -> None:
    write(tmp_path / "results" / "tiny" / "results_1.json", "{")
    with pytest.raises(SpecError, match=r"\n1 left out, broken, such as tiny/results_1.json: not JSON"):
        ingest(tmp_path / "results", conf=[str(conf)])
