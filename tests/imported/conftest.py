"""A folder of definitions and one of results with a single good file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.imported.made_results import N, lines, model, results, sample
from tests.ingested import write


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
