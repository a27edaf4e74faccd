"""Invented rows in the formats of the data sets that the paper's eighteen benches read, for the stand-in of the hub.

Columns, configs and splits are those of the hub's data sets; every text is made of words that do not exist, drawn anew
for each data set and split, so that no task data give a test question away.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from tests.hub import Splits, publish
from ttt.tasks.definition import definitions
from ttt.tasks.index import known_tasks

Row = dict[str, Any]

ONSETS = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "dr", "kl", "pl", "st", "tr"]
VOWELS, CODAS = "aeiou", ["", "n", "l", "r", "s", "k"]


class Inventor:
    """Words and sentences that mean nothing; the same for the same seed."""

    def __init__(self, seed: str):
        self.draw = random.Random(seed)

    def word(self) -> str:
        syllables = (self.draw.choice(ONSETS) + self.draw.choice(VOWELS) + self.draw.choice(CODAS) for _ in range(3))
        return "".join(syllables)

    def words(self, n: int) -> str:
        return " ".join(self.word() for _ in range(n))

    def sentence(self, n: int = 7) -> str:
        return self.words(n).capitalize() + "."

    def question(self) -> str:
        return f"Which {self.words(3)} is the {self.words(3)} of {self.words(2)}?"

    def options(self, n: int) -> list[str]:
        return [self.words(2) for _ in range(n)]

    def number(self) -> int:
        return self.draw.randrange(12, 90)

    def place(self, n: int) -> int:
        return self.draw.randrange(n)


def four(make: Inventor, n: int = 4) -> Row:
    """A lettered question of the release's data sets."""
    return {"question": make.question(), "choices": make.options(n), "answer": make.place(n)}


def mmlu(make: Inventor) -> Row:
    return {"question": make.question(), "subject": "", "choices": make.options(4), "answer": make.place(4)}


def auxiliary(make: Inventor) -> Row:
    """Most of MMLU's auxiliary data are long: the question of a passage stands behind it."""
    passage = " ".join(make.sentence() for _ in range(5))
    return {**mmlu(make), "question": f"{passage} {make.question()}"}


def arc(make: Inventor) -> Row:
    choices = {"text": make.options(4), "label": list("ABCD")}
    return {"id": make.word(), "question": make.question(), "choices": choices, "answerKey": "ABCD"[make.place(4)]}


def hellaswag(make: Inventor) -> Row:
    first, second = make.sentence(), make.words(3)
    return {
        **{"ind": make.number(), "activity_label": make.words(2).capitalize(), "ctx_a": first, "ctx_b": second},
        **{"ctx": f"{first} {second}", "endings": [make.sentence(5) for _ in range(4)], "source_id": make.word()},
        **{"split": "val", "split_type": "indomain", "label": str(make.place(4))},
    }


def winogrande(make: Inventor) -> Row:
    one, other = make.word().capitalize(), make.word().capitalize()
    sentence = f"{one} {make.words(4)} {other}, for _ {make.words(3)}."
    return {"sentence": sentence, "option1": one, "option2": other, "answer": str(1 + make.place(2))}


def truthful(make: Inventor) -> Row:
    first, many = make.options(4), make.options(6)
    one = {"choices": first, "labels": [1, 0, 0, 0]}
    return {
        "question": make.question(),
        "mc1_targets": one,
        "mc2_targets": {"choices": many, "labels": [1] * 3 + [0] * 3},
    }


def gpqa(make: Inventor) -> Row:
    wrong = {f"Incorrect Answer {i}": make.words(2) for i in (1, 2, 3)}
    about = {"Subdomain": make.word(), "High-level domain": make.word(), "Record ID": make.word()}
    return {"Question": make.question(), "Correct Answer": make.words(2), **wrong, **about}


def professional(make: Inventor, n: int) -> Row:
    """A question of MMLU-Pro with n options."""
    place = make.place(n)
    return {
        **{"question_id": make.number(), "question": make.question(), "options": make.options(n)},
        **{"answer": "ABCDEFGHIJ"[place], "answer_index": place, "cot_content": "", "category": make.word(), "src": ""},
    }


def mystery(make: Inventor) -> Row:
    choices, place = make.options(3), make.place(3)
    story = "\n\n".join(" ".join(make.sentence() for _ in range(4)) for _ in range(2))
    chosen = {"choices": str(choices), "answer_index": place, "answer_choice": choices[place]}
    return {"narrative": story, "question": make.question(), **chosen}


def story(make: Inventor) -> tuple[str, int, int]:
    """A problem of words whose answer is the sum of two numbers."""
    a, b = make.number(), make.number()
    return (
        f"{make.words(3).capitalize()} has {a} {make.words(2)} and {b} {make.words(3)}. How many {make.word()}?",
        a,
        b,
    )


def gsm8k(make: Inventor) -> Row:
    question, a, b = story(make)
    return {
        "question": question,
        "answer": f"{make.sentence()}\nIt is {a}+{b}=<<{a}+{b}={a + b}>>{a + b}.\n#### {a + b}",
    }


def orca(make: Inventor) -> Row:
    question, a, b = story(make)
    return {"question": question, "answer": f"{make.sentence()} {make.sentence()} {a} + {b} = {a + b}."}


def metamath(make: Inventor) -> Row:
    question, a, b = story(make)
    response = f"{make.sentence()}\n{a} + {b} = {a + b}\n#### {a + b}\nThe answer is: {a + b}"
    return {"type": "GSM_Rephrased", "query": question, "original_question": make.question(), "response": response}


def mathematics(make: Inventor) -> Row:
    """A problem of MATH, of level 5: the only level that `math_hard` asks."""
    question, a, b = story(make)
    solution = f"{make.sentence()} It is ${a}+{b}=\\boxed{{{a + b}}}$."
    return {"problem": question, "level": "Level 5", "type": make.word(), "solution": solution}


def definitions_of(task: str) -> list[Row]:
    """lm-eval's tasks of a group as its files define them: they know the hub's configs and the options."""
    return [dict(definition) for _, definition in definitions(task, {}, known_tasks())]


def rows(name: str, kind: Callable[[Inventor], Row], n: int) -> list[Row]:
    make = Inventor(name)
    return [kind(make) for _ in range(n)]


def data_sets(n: int, n_of_many: int, n_task_data: int) -> Iterator[tuple[str, dict[str, Splits]]]:
    """Each data set with its configs and splits: n test questions, or n_of_many in each of dozens of configs."""

    def splits(name: str, kind: Callable[[Inventor], Row], **sizes: int) -> dict[str, list[Row]]:
        return {split: rows(f"{name} {split}", kind, size) for split, size in sizes.items()}

    def lettered(name: str, test: str, shots: str) -> tuple[str, dict[str, Splits]]:
        def kind(make: Inventor) -> Row:
            return four(make, 2 if "winogrande" in name else 4)

        return f"ricdomolm/{name}", {"default": splits(name, kind, **{shots: 40, test: n})}

    subjects: dict[str, Splits] = {}
    for definition in definitions_of("mmlu"):
        subject = definition["dataset_name"]
        subjects[subject] = {
            split: [{**row, "subject": subject} for row in made]
            for split, made in splits(subject, mmlu, test=n_of_many, validation=2, dev=5).items()
        }
    together = {
        split: list(chain.from_iterable(subject[split] for subject in subjects.values()))
        for split in ("test", "validation", "dev")
    }
    training = splits("mmlu", auxiliary, auxiliary_train=n_task_data)
    yield "cais/mmlu", {"all": {**training, **together}, **subjects}

    bbh: dict[str, Splits] = {}
    for definition in definitions_of("leaderboard_bbh"):
        options = definition["doc_to_choice"]

        def asked(make: Inventor, options: list[str] = options) -> Row:
            return {"input": make.question(), "target": options[make.place(len(options))]}

        bbh[definition["dataset_name"]] = splits(definition["dataset_name"], asked, test=n_of_many)
    yield "SaylorTwift/bbh", bbh

    subjects_of_math = [definition["dataset_name"] for definition in definitions_of("leaderboard_math_hard")]
    for name in ("DigitalLearningGmbH/MATH-lighteval", "EleutherAI/hendrycks_math"):
        configs = {of: splits(f"{name} {of}", mathematics, train=5, test=n_of_many) for of in subjects_of_math}
        yield name, configs

    gpqas = [definition["dataset_name"] for definition in definitions_of("leaderboard_gpqa")]
    yield "Idavidrein/gpqa", {name: splits(name, gpqa, train=n) for name in gpqas}
    yield "allenai/ai2_arc", {"ARC-Challenge": splits("arc", arc, train=40, validation=n, test=n)}
    yield "Rowan/hellaswag", {"default": splits("hellaswag", hellaswag, train=40, validation=n)}
    yield "allenai/winogrande", {"winogrande_xl": splits("winogrande", winogrande, train=40, validation=n)}
    yield "truthfulqa/truthful_qa", {"multiple_choice": splits("truthful", truthful, validation=n)}
    yield "openai/gsm8k", {"main": splits("gsm8k", gsm8k, train=40, test=n)}
    ten = splits("pro", lambda make: professional(make, 10), validation=8, test=n)
    yield "TIGER-Lab/MMLU-Pro", {"default": ten}
    yield "ricdomolm/mmlu_pro_4", {"default": splits("pro4", lambda make: professional(make, 4), validation=8, test=n)}
    mysteries = ("murder_mysteries", "object_placements", "team_allocation")
    yield "TAUR-Lab/MuSR", {"default": splits("musr", mystery, **dict.fromkeys(mysteries, n))}
    yield lettered("arc_challenge_mc", "test", "validation")
    yield lettered("hellaswag_mc", "validation", "train")
    yield lettered("winogrande_mc", "validation", "train")
    yield "ricdomolm/truthfulqa_mc2_mc", {"default": splits("truthful4", four, validation=max(n, 8))}
    yield "microsoft/orca-math-word-problems-200k", {"default": splits("orca", orca, train=n_task_data // 2)}
    yield "meta-math/MetaMathQA", {"default": splits("metamath", metamath, train=n_task_data // 2)}


def publish_all(hub: Path, n: int = 8, n_of_many: int = 3, n_task_data: int = 200) -> None:
    """Make the stand-in's folder hold all that the eighteen benches and their task data read."""
    for name, configs in data_sets(n, n_of_many, n_task_data):
        publish(hub, name, configs)
