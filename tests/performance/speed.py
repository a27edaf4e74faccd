"""Speed against the tools people use: one command, one table (`make bench`), written to docs/speed.md and .json.

Each line runs ours and the peer's in turn, on the same model, documents and precision, compares the results, and gives
the median of the ratios.
"""

from __future__ import annotations

import argparse

import torch

from tests.performance.adjusting import adjusting
from tests.performance.batching import batching
from tests.performance.evaluation import evaluation
from tests.performance.model import loaded
from tests.performance.pairs import write
from tests.performance.processes import processes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the documents")
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a line's name")
    asked = parser.parse_args()
    torch.manual_seed(0)
    model, tokenizer = loaded()
    if asked.only in "adjusting":
        write(adjusting(model, tokenizer, asked.examples, asked.rounds))
    if asked.only in "processes":
        write(processes(asked.rounds))
    if asked.only in "continuous batching":
        write(batching(model, tokenizer, round(16 * asked.share), asked.rounds))
    for line in evaluation(model, tokenizer, asked.share, asked.rounds, asked.only):
        write(line)


if __name__ == "__main__":
    main()
