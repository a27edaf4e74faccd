"""Results as lm-eval writes them, made up: a file of results, and samples."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tests.ingested import write

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


def model(conf: Path, name: str) -> str:
    facts = {"name": name, "family": "made", "n_params": 10**6, "n_tokens": 10**9, "trained": "2024-01"}
    write(conf / "model" / f"{name}.yaml", {**facts, "hub": f"someone/{name}"})
    return name
