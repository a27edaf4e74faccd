"""The leak check at its largest: 14,042 questions against 600,000 examples. Prints seconds and peak memory.

The data are invented: words drawn by Zipf's law, of the length of MMLU's questions and of worked solutions, one in a
thousand of the examples a copy of a question with some words changed.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from ttt.tasks.leaks import Question, count_by_kind, find_leaks
from ttt.tasks.task_data import Example

N_WORDS = 60_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--questions", type=int, default=14_042)
    arguments.add_argument("--examples", type=int, default=600_000)
    n = arguments.parse_args()
    draw = np.random.default_rng(0)
    stems = np.array([f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in range(N_WORDS // 60)])
    stems = np.char.translate(stems, str.maketrans("0123456789", "aeioumnrst"))
    weight = 1 / (np.arange(len(stems)) + 2.7)
    cumulative = np.cumsum(weight / weight.sum())

    def text(length: int) -> str:
        return " ".join(stems[np.searchsorted(cumulative, draw.random(length))])

    def prompt(stem: str) -> str:
        options = "\n".join(f"{letter}. {text(int(draw.integers(1, 10)))}" for letter in "ABCD")
        return f"{stem}?\n{options}\nAnswer:"

    questions = [Question(prompt(text(int(draw.integers(8, 60)))), ("ABCD"[i % 4],)) for i in range(n.questions)]
    examples, n_planted = [], 0
    for i in range(n.examples):
        if i % 1000:
            asked = f"Question: {text(int(draw.integers(20, 100)))}?\nAnswer:"
            examples.append(Example(asked, f" {text(int(draw.integers(40, 160)))}."))
        else:
            source = questions[int(draw.integers(n.questions))]
            words = source.text.split(" ")
            changed = ["another" if i % 14 == 3 and word.isalpha() else word for i, word in enumerate(words)]
            examples.append(Example(" ".join(changed), f" {source.answers[0]}"))
            n_planted += 1
    n_characters = sum(len(example.prompt) + len(example.answer) for example in examples)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start, work = time.perf_counter(), time.process_time()
    leaks = find_leaks(examples, questions)
    seconds, work = time.perf_counter() - start, time.process_time() - work
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{n.questions:,} questions, {n.examples:,} examples ({n_characters / 1e6:,.0f} million characters)")
    print(
        f"{seconds:.0f} s ({work:.0f} s of one core), peak {peak:,.0f} MB ({before:,.0f} MB the texts), "
        f"{n_planted} planted: {count_by_kind(leaks)}"
    )


if __name__ == "__main__":
    main()
