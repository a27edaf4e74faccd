"""Kill requests and studies at random moments, run them again, and compare with undisturbed ones.

`python -m pytest -s tests/performance/random_kills.py`: prints a row a kill, and fails if any left a trace. The request
is one on three benches, of which one leaks another question, so that it trains twice; it is also made by two processes
at once, in every order of its benches, undisturbed and with one of the two killed.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import studies
from tests.cell import test_crash
from tests.killing import begin, call, call_for, ended, left, seconds_of

BENCHES = ("sums", "sums_cloze", "sums_other")
EXPERIMENTS = ("default/adjusting", *(f"default/{bench}" for bench in BENCHES))
N_KILLS, SEED = 10, 0


def asked(conf: Path, root: Path, order: tuple[str, ...] = BENCHES) -> list[str]:
    arguments = test_crash.arguments(conf, root, f"benches=[{','.join(order)}]")
    return [argument for argument in arguments if not argument.startswith("bench=")]


def trained(left_behind: dict[str, Any]) -> int:
    """Runs in which a model was adjusted."""
    return sum(name.startswith("default/adjusting: ") for name in left_behind["runs"])


def differing(expected: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in expected if after[name] != expected[name]]


def kills(module: str, arguments: Callable[[Path], list[str]], n: int, draw: random.Random, folder: Path) -> int:
    whole = folder / f"{module}-undisturbed"
    seconds = seconds_of(module, arguments(whole))
    expected = left(whole, *EXPERIMENTS)
    n_wrong = n_begun = 0
    for number in range(n):
        root = folder / f"{module}-{number}"
        moment = seconds * draw.random()
        code = call_for(module, arguments(root), moment)
        begun = (root / "mlflow.db").exists()
        n_begun += begun and code != 0
        again = call(module, arguments(root))
        differs = differing(expected, left(root, *EXPERIMENTS))
        n_wrong += bool(differs)
        print(
            f"{module} kill {number}: after {moment:5.1f} of {seconds:.1f} s, exit {code}, rerun {again}, "
            f"{'same as undisturbed' if not differs else 'DIFFERS in ' + ', '.join(differs)}",
            flush=True,
        )
        if differs:
            print(expected, left(root, *EXPERIMENTS), sep="\n", flush=True)
    print(f"{module}: {n_wrong} of {n} left a trace; {n_begun} were killed at work", flush=True)
    assert n_begun, "no kill met a process at work"
    return n_wrong


@pytest.mark.slow
@pytest.mark.parametrize("module", ["ttt.run", "ttt.saturate"])
def test_random_kills(conf: Path, tmp_path: Path, module: str) -> None:
    arguments = asked if module == "ttt.run" else studies.arguments
    wrong = kills(module, lambda root: arguments(conf, root), N_KILLS, random.Random(SEED), tmp_path)
    assert wrong == 0


@pytest.mark.slow
def test_two_processes_at_once(conf: Path, tmp_path: Path) -> None:
    whole = tmp_path / "undisturbed"
    seconds = seconds_of("ttt.run", asked(conf, whole))
    expected = left(whole, *EXPERIMENTS)
    assert trained(expected) == 2
    draw = random.Random(SEED)
    for number, order in enumerate(itertools.permutations(BENCHES)):
        root = tmp_path / str(number)
        one, other = (
            begin("ttt.run", arguments, Path(os.devnull)) for arguments in (asked(conf, root), asked(conf, root, order))
        )
        killed = number % 2 == 1
        if killed:
            time.sleep(seconds * (0.3 + 0.7 * draw.random()))
            one.kill()
        codes = (ended(one, 300), ended(other, 300))
        assert codes[1] == 0
        assert codes[0] in ((0, -signal.SIGKILL) if killed else (0,))
        after = left(root, *EXPERIMENTS)
        differs = differing(expected, after)
        print(
            f"two at once, {', '.join(order)}{', one killed' if killed else ''}: exit {codes}, {trained(after)} "
            f"trainings, {'same as one alone' if not differs else 'DIFFERS in ' + ', '.join(differs)}",
            flush=True,
        )
        assert not differs
