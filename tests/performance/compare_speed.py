"""How long `ttt.compare` takes over many cells, store and bootstrap included.

Run: python -m tests.performance.compare_speed FOLDER [n_cells]. Makes the store in FOLDER if there is none yet, which
takes minutes, and times the phases, then the command as users start it.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tests.stores import adjustment, bench, made_models, planted, write

T = TypeVar("T")


def timed(what: str, work: Callable[[], T]) -> T:
    start = time.perf_counter()
    result = work()
    print(f"{what:34} {time.perf_counter() - start:6.2f} s")
    return result


def make_store(root: Path, n_cells: int) -> None:
    """Half of the cells are base models, half adjusted ones with four checkpoints; a family has some three models."""
    cells = []
    for cell in planted(made_models(n_cells // 2, n_families=max(4, n_cells // 6)), theta=0.05):
        steps = [(n, cell.base + (cell.adjusted - cell.base) * n / 1000) for n in (100, 250, 500, 750)]
        cells += [replace(cell, checkpoints=steps), replace(cell, adjustment=adjustment("none"), adjusted=cell.base)]
    write(root, cells)


def phases(root: Path) -> None:
    from ttt.comparison.conclude import conclude
    from ttt.comparison.inputs import read_inputs
    from ttt.comparison.options import Options
    from ttt.spec import Tracking
    from ttt.tracking import Tracker

    options = Options(suite="made")
    tracker = timed("open the store", lambda: Tracker(Tracking(root=str(root))))
    inputs = timed("read and check the cells", lambda: read_inputs(tracker, "sums", options))
    conclusions = timed("conclude", lambda: conclude(tracker, inputs, options))
    print(f"{conclusions.n_models} models, {len(conclusions.emergence)} rows of emergence")


def main() -> None:
    root, n_cells = Path(sys.argv[1]).absolute(), int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    if not (root / "mlflow.db").exists():
        timed(f"make a store of {n_cells} cells", lambda: make_store(root, n_cells))
    phases(root)
    folder = root / "conf" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sums.yaml").write_text(json.dumps(bench().model_dump(mode="json")))
    command = [sys.executable, "-m", "ttt.compare", "suite=made", "bench=sums", f"tracking.root={root}"]
    timed("the command", lambda: subprocess.run([*command, "--config-dir", str(root / "conf")], check=True))


if __name__ == "__main__":
    main()
