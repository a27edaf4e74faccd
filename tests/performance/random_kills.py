"""Kill a cell and a study at random moments, run them again, and compare with undisturbed ones.

`python -m pytest -s tests/performance/random_kills.py`: prints a row a kill, and fails if any left a trace.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import studies, test_crash
from tests.killing import call, call_for, left, seconds_of

EXPERIMENT = "default/sums"
N_KILLS, SEED = 10, 0


def kills(module: str, arguments: Callable[[Path], list[str]], n: int, draw: random.Random, folder: Path) -> int:
    whole = folder / f"{module}-undisturbed"
    seconds = seconds_of(module, arguments(whole))
    expected = left(whole, EXPERIMENT)
    n_wrong = n_begun = 0
    for number in range(n):
        root = folder / f"{module}-{number}"
        # The first seconds are imports, in which there is nothing to lose.
        moment = seconds * (0.25 + 0.75 * draw.random())
        code = call_for(module, arguments(root), moment)
        begun = (root / "mlflow.db").exists()
        n_begun += begun and code != 0
        again = call(module, arguments(root))
        found = left(root, EXPERIMENT)
        differs = [name for name in expected if found[name] != expected[name]]
        n_wrong += bool(differs)
        print(
            f"{module} kill {number}: after {moment:5.1f} of {seconds:.1f} s, exit {code}, rerun {again}, "
            f"{'same as undisturbed' if not differs else 'DIFFERS in ' + ', '.join(differs)}",
            flush=True,
        )
        if differs:
            print(expected, found, sep="\n", flush=True)
    print(f"{module}: {n_wrong} of {n} left a trace; {n_begun} were killed at work", flush=True)
    return n_wrong


@pytest.mark.slow
@pytest.mark.parametrize("module", ["ttt.run", "ttt.saturate"])
def test_random_kills(conf: Path, tmp_path: Path, module: str) -> None:
    arguments = test_crash.arguments if module == "ttt.run" else studies.arguments
    wrong = kills(module, lambda root: arguments(conf, root), N_KILLS, random.Random(SEED), tmp_path)
    assert wrong == 0
