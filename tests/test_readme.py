"""The README's own examples, as a newcomer would copy them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from hydra.core.global_hydra import GlobalHydra

from tests.conftest import sums
from tests.files.test_rows import write_lines, write_text
from tests.imported.release import results
from tests.ingested import cell, ingest, write
from ttt.cli.search_path import CONF
from ttt.run import COMMAND
from ttt.spec import Tracking
from ttt.tracking import Tracker

README = Path(__file__).parents[1] / "README.md"


def block(holding: str) -> str:
    """The YAML block of the README that holds a line."""
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    return next(text for text in blocks if holding in text)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_bench_and_a_model_of_ones_own(form: str, tiny_model: Path, tmp_path: Path) -> None:
    for group in ("bench", "model", "data"):
        (tmp_path / "my" / group).mkdir(parents=True)
    bench = block("name: support").replace(".jsonl", f".{form}")
    (tmp_path / "my" / "bench" / "support.yaml").write_text(bench)
    model = block("name: ours-7b").replace("/models/ours-7b", str(tiny_model))
    (tmp_path / "my" / "model" / "ours-7b.yaml").write_text(model)
    rows = [
        {"question": row["question"], **dict(zip("abcd", row["choices"], strict=True)), "answer": "ABCD"[row["answer"]]}
        for row in sums(40, seed=5)
    ]
    for name, part in (("test", rows[:10]), ("train", rows[10:])):
        write = write_lines if form == "jsonl" else write_text(",")
        write(tmp_path / "my" / "data" / f"{name}.{form}", part)
    root, out = tmp_path / "mlruns", tmp_path / "result.json"
    GlobalHydra.instance().clear()
    settings = ["trainer.progress=false", "trainer.threads=1", "adjustment=smoke", f"tracking.root={root}"]
    command = ["--config-dir", str(tmp_path / "my"), "model=ours-7b", "bench=support", f"output={out}", *settings]
    assert COMMAND._main(command) == 0
    result = json.loads(out.read_text())
    file = Tracker(Tracking(root=str(root))).artifact(result["run_id"], "items/adjusted.parquet")
    assert file is not None
    items = pd.read_parquet(file)
    assert list(items["gold"]) == [str("ABCD".index(row["answer"])) for row in rows[:10]]
    assert items["correct"].mean() == pytest.approx(result["adjusted"]["score"])
    for column in ("prediction", "gold_logprob", "brier"):
        assert items[column].notna().all()
    assert ((items["prediction"] == items["gold"]) == (items["correct"] == 1)).all()


def test_a_layout_of_ones_own(tmp_path: Path) -> None:
    my, theirs = tmp_path / "my", tmp_path / "theirs"
    write(my / "ingest" / "ours.yaml", block("name: ours\n"))
    renamed = json.loads(json.dumps(results("mmlu", 0.3)).replace('"mmlu"', '"mmlu_five_shot"'))
    write(theirs / "before" / "eleuther-1b" / "mmlu.json", renamed)
    write(theirs / "after" / "mmluaux" / "eleuther-1b" / "mmlu.json", renamed)
    write(theirs / "after" / "mmluaux" / "eleuther-1b" / "at_10" / "mmlu.json", renamed)
    report, tracker = ingest(theirs, conf=[str(my)])
    assert (report["pattern"], report["n_files_used"], report["skipped"]) == ("ours", 3, {})
    assert cell(tracker, "mmlu", "pythia-1b full s0").data.metrics["adjusted/score"] == 0.3


def test_how_many_benches_the_release_has() -> None:
    benches = {file.stem for file in (CONF / "bench").glob("*.yaml") if not file.stem.startswith("lab_")}
    assert f"on {len(benches)} benches" in README.read_text(encoding="utf-8")
