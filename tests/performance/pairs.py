"""Ours and the peer's in turn, in one run; a line of docs/speed.md and .json."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tests.performance.model import N_BODY

JSON = Path(__file__).parents[2] / "docs" / "speed.json"


@dataclass(frozen=True)
class Line:
    """Seconds are medians; the ratio is the median of the paired ratios, peer over ours.

    Useful work is 2 FLOPs a parameter and token that passes the model, 6 in training; padding and attention are not.
    """

    work: str
    ours: float
    peer: float
    ratio: float
    useful_tokens_per_second: float
    share_of_matrix_rate: float
    results: str
    """How the two results differ."""
    rounds: int
    measured: str
    """The day."""


def matrix_rate(n: int = 2048, seconds: float = 3.0) -> float:
    """Floating point operations a second of a square float32 product."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        a @ b
        done += 1
    return done * 2 * n**3 / (time.perf_counter() - start)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def compare(
    name: str,
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    rounds: int,
    n_tokens: Callable[[], int],
    flops: int,
    differ: Callable[[Any, Any], str],
) -> Line:
    times, differences = [], set()
    for _ in range(rounds):
        rate = matrix_rate()
        mine, a = seconds(ours)
        theirs, b = seconds(peer)
        times.append((mine, theirs, rate))
        differences.add(differ(a, b))
        print(f"  {name}: ours {mine:.1f} s, peer {theirs:.1f} s", flush=True)
    n = n_tokens()
    return Line(
        name,
        statistics.median(t[0] for t in times),
        statistics.median(t[1] for t in times),
        statistics.median(t[1] / t[0] for t in times),
        n / statistics.median(t[0] for t in times),
        statistics.median(flops * N_BODY * n / t[0] / t[2] for t in times),
        "; ".join(sorted(differences)),
        rounds,
        time.strftime("%Y-%m-%d"),
    )


def write(new: Line) -> None:
    """Put the line in the place of an earlier one of the same work, or after the others."""
    earlier = json.loads(JSON.read_text(encoding="utf-8"))["lines"] if JSON.exists() else []
    lines = {_kind(line["work"]): Line(**line) for line in earlier} | {_kind(new.work): new}
    head = ("work", "ours s", "peer s", "ratio", "tokens/s", "share of matrix rate", "results", "rounds", "measured")
    table = [head, ("---",) * len(head)]
    for line in lines.values():
        rates = (f"{line.useful_tokens_per_second:,.0f}", f"{line.share_of_matrix_rate:.0%}")
        seconds = (f"{line.ours:.1f}", f"{line.peer:.1f}", f"{line.ratio:.2f}")
        rates = rates if line.useful_tokens_per_second else ("", "")
        table.append((line.work, *seconds, *rates, line.results, str(line.rounds), line.measured))
    text = "\n".join("| " + " | ".join(row) + " |" for row in table)
    cpu = torch.cpu.get_capabilities()["cpu_name"]
    machine = f"{torch.get_num_threads()} threads of an {cpu}, torch {torch.__version__}, float32"
    print(text, flush=True)
    note = f"SmolLM2-135M-Instruct, {machine}, medians of alternating runs."
    JSON.with_suffix(".md").write_text(f"# Speed\n\n{note}\n\n{text}\n", encoding="utf-8")
    content = {"machine": machine, "lines": [asdict(line) for line in lines.values()]}
    JSON.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _kind(work: str) -> str:
    """The work without its size."""
    return work.partition(" (")[0]
