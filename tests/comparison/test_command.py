"""The run in which a comparison is kept, and the command around it."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console

from tests.comparison.test_compare import QUICK, concluded
from tests.report import partial
from tests.stores import ask
from ttt.cli.terminal import Terminal
from ttt.compare import COMMAND
from ttt.comparison import terminal
from ttt.comparison.conclusions import BenchConclusions, from_json
from ttt.comparison.options import Options
from ttt.comparison.terminal import show_conclusions
from ttt.formatting import probability, signed_interval, with_error
from ttt.report import comparison as drawing
from ttt.tracking import Tracker

pytestmark = pytest.mark.usefixtures("drawn")


def test_a_comparison_is_kept_as_a_run_with_its_inputs(store: Tracker) -> None:
    found = ask(store, "bench", ["sums"], Options(**QUICK))
    run = store.read_run(found.run_id)
    assert run.info.status == "FINISHED"
    tags = run.data.tags
    assert (tags["ttt.kind"], tags["ttt.provisional"], tags["ttt.n_inputs"]) == ("comparison", "yes", "26")
    metrics = run.data.metrics
    for name in ("base/theta", "adjusted/theta_low", "base/theta_p", "base/r2", "base/c_e", "pareto/area_adjusted"):
        assert math.isfinite(metrics[name])
    assert metrics["base/theta"] == pytest.approx(found.base.theta)
    assert run.data.params["policy"] == "raw"
    assert store.read_json(found.run_id, "inputs.json")["run_ids"] == found.provenance.run_ids
    assert from_json(store.read_json(found.run_id, "conclusions.json")) == replace(found, report=None)
    assert Path(found.report).read_text() == "<p>24 models</p>"
    for name, n in (("models", 24), ("thetas", 4), ("emergence", 5)):
        table = store.artifact(found.run_id, f"tables/{name}.csv")
        assert table
        with table.open() as file:
            assert len(list(csv.DictReader(file))) == n
        assert len(store.read_json(found.run_id, f"tables/{name}.json")) == n
    again = ask(store, "bench", ["sums"], Options(**QUICK))
    assert again.n_models == found.n_models  # a comparison is no cell of the next


def test_a_report_that_cannot_be_drawn_fails_the_run(store: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(conclusions: BenchConclusions, folder: Path) -> list[Path]:
        raise OSError("no space left on device")

    monkeypatch.setattr(drawing, "render", broken)
    with pytest.raises(OSError, match="no space"):
        ask(store, "bench", ["sums"], Options(**QUICK))
    runs = MlflowClient(store.uri).search_runs([store.experiment("made/sums")], "attributes.status = 'FAILED'")
    assert "no space" in runs[0].data.tags["ttt.failure"]


def test_the_command_writes_its_result_and_shows_it(
    store: Tracker,
    benches: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "out.json"
    asked = [f"tracking.root={store.root}", "suite=made", "n_replicates=99", "n_permutations=3", f"output={file}"]
    assert COMMAND._main(["bench=sums", *asked, "--config-dir", str(benches)]) == 0
    found = from_json(json.loads(file.read_text()))
    assert (found.suite, found.bench, found.n_models) == ("made", "sums", 24)
    shown = capsys.readouterr().out
    assert all(f"model-{i:03}" in shown for i in range(24))
    assert "At equal compute" in shown
    assert "report.html" in shown
    monkeypatch.setattr(terminal, "MAX_ROWS", 20)
    show_conclusions(found)
    assert "and 4 more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], "nothing to compare is named"),
        (["bench=sums", "versions=x"], "exclude each other"),
        (["bench=sums", "polcy=raw"], "there is no such key"),
        (["bench=sums", "policy=best"], "policy: 'best' is none of"),
        (["benches=[sums]"], "two or more"),
        (["reformulation=[sums]"], "two benches are needed"),
        (["items=[a,b]"], "nothing to compare is named"),
        (["bench=other"], "there is no 'other'"),
        (["bench=gsm8k"], "no finished cells on bench 'gsm8k'; tracked is: made/sums"),
        (["bench=sums", "suite=mine"], "suite 'mine' has no finished cells"),
        (["bench=sums", "exclude=[model-999]"], "no cells of 'model-999'"),
        (["bench=sums", "adjustment=lora"], "no finished cell has 'lora'; there is: full"),
        (["bench=sums", "final=true"], "not shown to be saturated"),
    ],
)
def test_a_wrong_request_exits_with_2_and_one_message(
    store: Tracker, benches: Path, capsys: pytest.CaptureFixture[str], asked: list[str], message: str
) -> None:
    fixed = [f"tracking.root={store.root}", *([] if any("suite" in word for word in asked) else ["suite=made"])]
    assert COMMAND._main([*asked, *fixed, "--config-dir", str(benches)]) == 2
    shown = capsys.readouterr().err
    assert message in " ".join(shown.split())
    assert "Traceback" not in shown


def test_names_are_shown_as_they_are(store: Tracker) -> None:
    found = concluded(store)
    found = replace(found, models=[replace(found.models[0], model="[red]<b>name"), *found.models[1:]])
    out = Console(width=120, record=True, file=io.StringIO())
    show_conclusions(found, out)
    assert "[red]<b>name" in out.export_text()


@pytest.mark.parametrize("has_items", [True, False])
def test_tables_keep_their_numbers_whole_in_80_columns(has_items: bool) -> None:
    names = ["stablelm-base-alpha-7b-v2", "internlm2-base-20b"]
    two = partial.few()
    assert two.pairs is not None
    nothing = {} if has_items else {"minimum_detectable_difference": None, "n_items_to_decide": None}
    pairs = [replace(pair, first=names[0], second=names[1], **nothing) for pair in two.pairs]
    rows = [replace(row, model=name) for row, name in zip(two.models, names, strict=True)]
    out = Terminal(width=80, file=io.StringIO())
    show_conclusions(replace(two, models=rows, pairs=pairs), out)
    shown = out.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, shown.splitlines())) <= 80
    for pair in pairs:
        assert signed_interval(pair.low, pair.high) in shown
        assert probability(pair.p) in shown
    assert all(with_error(row.adjusted, row.adjusted_stderr) in shown for row in rows)
    assert [f"{side} scores" in shown for side in ("base", "adjusted")] == [True, True]
    assert ("detectable" in shown) == ("needed" in shown) == has_items


def test_comparing_needs_no_torch() -> None:
    modules = "ttt.compare, ttt.comparison.conclude, ttt.comparison.terminal, ttt.report.comparison"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
