"""A store of made-up models, its bench, and a page in place of the figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.stores import adjustment, bench, made_models, planted, write
from ttt.comparison.conclusions import BenchConclusions
from ttt.report import comparison as drawing
from ttt.tracking import Tracker


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """24 models: newer ones are ahead by 0.1 before adjusting, by nothing after. One model has three seeds."""
    cells = list(planted(made_models(), theta=0.1))
    first = cells[0]
    seeds = [replace(first, adjusted=first.adjusted + shift, seed=i + 1) for i, shift in enumerate((-0.02, 0.02))]
    bases = [replace(cell, adjustment=adjustment("none"), adjusted=cell.base) for cell in cells]
    return write(tmp_path_factory.mktemp("store"), [*cells, *seeds, *bases])


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for --config-dir with the bench of the store."""
    folder = tmp_path_factory.mktemp("conf")
    (folder / "bench").mkdir()
    (folder / "bench" / "sums.yaml").write_text(json.dumps(bench().model_dump(mode="json")))
    return folder


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page instead of the figures, which have tests of their own."""

    def render(conclusions: BenchConclusions, folder: Path) -> list[Path]:
        page = folder / "report.html"
        page.write_text(f"<p>{conclusions.n_models} models</p>")
        return [page]

    monkeypatch.setattr(drawing, "render", render)
