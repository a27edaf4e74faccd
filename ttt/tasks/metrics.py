"""Names of lm-eval's metrics as MLflow takes them, and Brier's score for questions of any number of choices."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

OWN_NAMES = ("score", "stderr", "score_paper", "brier", "gold_logprob", "n_truncated", "seconds")
"""What a side of a cell has beside lm-eval's metrics: one of theirs that is called so bears its filter's name."""
N_CHARACTERS = 200
"""Of a metric's name, which with its side and `_stderr` must stay within MLflow's 250."""
PROPORTIONS = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "f1", "pass@1")


def is_proportion(key: str) -> bool:
    """Whether scores by lm-eval's "metric,filter" are a part of 1; those of others may have any scale."""
    return key.partition(",")[0] in PROPORTIONS


def metric_name(key: str) -> str:
    """A name that MLflow takes for lm-eval's "metric,filter"; no two keys have the same.

    `acc,none` is `acc`, `exact_match,strict-match` is `exact_match.strict-match`, and a standard error ends in
    `_stderr`. Other characters than letters, digits, `_`, `-` and blanks stand between colons: `pass@1` is `pass:at:1`.
    """
    metric, _, extraction = key.partition(",")
    stem, error = (metric.removesuffix("_stderr"), "_stderr") if metric.endswith("_stderr") else (metric, "")
    name = _escaped(stem)
    if extraction != "none" or stem in OWN_NAMES:
        last = ":5f:stderr" if extraction.endswith("_stderr") else ""  # only an error's own name may end so
        name += f".{_escaped(extraction.removesuffix('_stderr') if last else extraction)}{last}"
    if len(name) > N_CHARACTERS:
        digest = hashlib.sha256(f"{stem},{extraction}".encode(errors="surrogatepass")).hexdigest()
        name = f"{name[:N_CHARACTERS]}:{digest[:16]}"
    return name + error


def _escaped(text: str) -> str:
    return re.sub(r"[^\w\- ]", lambda match: ":at:" if match[0] == "@" else f":{ord(match[0]):x}:", text)


def mean_brier(items: Sequence[tuple[Any, Sequence[float]]]) -> float:
    """Mean over (gold, the choices' probabilities) of Brier's score; each item may have choices of its own number.

    lm-eval's own wants as many of all. NaN where an item has not one right choice.
    """
    return float(np.mean([brier(np.asarray(probabilities), gold) for gold, probabilities in items]))


def brier(probabilities: npt.NDArray[np.float64], gold: Any) -> float:
    """Sum of squared differences to the right choice: 0 to 2; NaN without one."""
    if not isinstance(gold, int | np.integer) or not 0 <= gold < len(probabilities):
        return float("nan")
    return float(((probabilities - np.eye(len(probabilities))[gold]) ** 2).sum())
