"""The leak check: five kinds of planted leaks among clean pairs, templates, and real data."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LETTERS, sums
from tests.tasks.finding import leaks
from ttt.lab.words import FORMATS
from ttt.lab.world import ASKED, Asked, make_world
from ttt.tasks.leaks import Question, count_by_kind, find_leaks
from ttt.tasks.task_data import Example
from ttt.tasks.templates import template


def test_sums_that_differ_by_a_sign_or_a_number() -> None:
    texts = [
        ("12 - 3", " 9"),
        ("12 * 3", " 36"),
        ("12 > 3", " yes"),
        ("12+3", " 15"),
        ("12 + 3", " 15"),
        ("12 + 4", " 16"),
    ]
    assert leaks([Question("12 + 3", ("15",))], *texts) == [None, None, None, "normalised", "exact", None]
    asked = Question("Question: What is 12 plus 3?\nAnswer:", ("15",))
    others = [f"Question: What is {a} plus {b}?\nAnswer:" for a, b in [(12, 4), (3, 12), (2, 3)]]
    assert leaks([asked], *((other, " 15") for other in others)) == [None] * 3


STORIES = [
    "A baker in Lyon sold 48 loaves on Monday and half as many on Tuesday before the oven broke down; how many loaves "
    "were sold on both days?",
    "The Danube flows through more capital cities than any other river, so which of its ports did the Habsburg navy "
    "use as a base during the war?",
    "Priya planted 12 rows of tulips with 15 bulbs in every row, then a frost killed a third of the bulbs; how many "
    "tulips were left in her garden?",
    "During photosynthesis a leaf takes in carbon dioxide and gives off oxygen, but which pigment catches the light "
    "that drives the whole reaction?",
]
ANSWERS = ["72 loaves", "Pula", "120 tulips", "chlorophyll"]
CHANGES = {"sold": "baked", "before": "until", "through": "past", "use": "keep", "planted": "set", "killed": "took"}
CHANGES |= {"leaf": "plant", "catches": "absorbs"}
OPTIONS = [["72", "24", "96", "48"], ["Pula", "Trieste", "Split", "Rijeka"], ["120", "60", "180", "90"]]
OPTIONS += [["chlorophyll", "carotene", "haemoglobin", "melanin"]]
FILLER = "Here is something that a pupil asked me the other day. {} I did not know what to say at first."
UNRELATED = [
    (f"Question: {text}\nAnswer:", " no idea")
    for text in [
        "How many loaves does a baker in Paris sell on a Sunday when the oven works and nobody is ill?",
        "Which river flows through the capital of Hungary and then on towards the Black Sea and its ports?",
        "Priya bought 7 tulips and gave 2 of them to her sister; how many tulips has she now?",
        "What does a leaf give off at night when there is no light to drive photosynthesis?",
        "What is 12 plus 4?",
    ]
]


def asked(i: int, options: bool = False) -> Question:
    if options:
        listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", OPTIONS[i], strict=True))
        return Question(f"{STORIES[i]}\n{listed}\nAnswer:", ("A",))
    return Question(f"Question: {STORIES[i]}\nAnswer:", (ANSWERS[i],))


def planted(kind: str, i: int) -> tuple[str, str]:
    text, answer = asked(i).text, f" {ANSWERS[i]}"
    if kind == "exact":
        return text, answer
    if kind == "normalised":
        return text.upper().replace(" ", "  ").replace("?", " ?!").replace(",", " ,"), answer
    if kind == "inside":
        return FILLER.format(STORIES[i]), answer
    if kind == "near":
        return " ".join(CHANGES.get(word, word) for word in text.split(" ")), answer
    return "Fill in the answer.", f" {STORIES[i]} {ANSWERS[i]}"


@pytest.mark.parametrize("kind", ["exact", "normalised", "inside", "near", "in the answer"])
def test_planted_leaks_of_five_kinds(kind: str) -> None:
    texts = [planted(kind, i) for i in range(4)]
    expected = "inside" if kind == "in the answer" else kind
    assert leaks([asked(i) for i in range(4)], *texts, *UNRELATED) == [expected] * 4 + [None] * len(UNRELATED)


def test_twenty_planted_leaks_among_clean_examples() -> None:
    kinds = ["exact", "normalised", "inside", "near", "in the answer"]
    texts = [planted(kind, i) for kind in kinds for i in range(4)] + UNRELATED * 10
    random.Random(0).shuffle(texts)
    found = find_leaks([Example(*text) for text in texts], [asked(i) for i in range(4)])
    assert count_by_kind(found) == {"exact": 4, "normalised": 4, "inside": 8, "near": 4}
    assert not {leak.example for leak in found.values()} & {Example(*text) for text in UNRELATED}


def test_options_in_another_order_and_under_other_letters() -> None:
    questions = [asked(i, options=True) for i in range(4)]
    other = [
        (
            f"{STORIES[i]}\n" + "\n".join(f"({x}) {OPTIONS[i][k]}" for x, k in zip("abcd", [2, 0, 3, 1], strict=True)),
            " (b)",
        )
        for i in range(4)
    ]
    short = Question("What is 12 plus 3?\nA. 15\nB. 16\nC. 17\nD. 20\nAnswer:", ("A",))
    sum_reordered = ("What is 12 plus 3?\nA. 17\nB. 20\nC. 15\nD. 16\nAnswer:", " C")
    sum_other = ("What is 12 plus 4?\nA. 16\nB. 17\nC. 15\nD. 20\nAnswer:", " A")
    assert leaks([*questions, short], *other, sum_reordered, sum_other) == ["near"] * 5 + [None]
    colon = Question("The parts of a river are called:\nA. banks\nB. sails\nC. tyres\nD. keys\nAnswer:", ("A",))
    reordered = ("The parts of a river are called:\nA. keys\nB. banks\nC. sails\nD. tyres\nAnswer:", " B")
    assert leaks([*questions, colon], reordered) == ["near"]


def test_the_test_s_prompt_around_the_training_question() -> None:
    question = Question(f"You are a careful examiner. Think, then answer in one word.\n\n{STORIES[3]}", (ANSWERS[3],))
    short = Question(
        "You are a careful examiner. What is the capital of Mongolia? Answer in one word.", ("Ulaanbaatar",)
    )
    texts = [
        (STORIES[3], " chlorophyll"),
        ("What is the capital of Mongolia?", " Ulaanbaatar"),
        ("What is the capital of Mongolia?", " I would not know"),
        ("What is the capital of Bhutan?", " Thimphu"),
    ]
    assert leaks([question, short], *texts) == ["inside", "inside", None, None]


def test_short_questions_are_found_as_whole_sentences_with_their_answer_alone() -> None:
    questions = [Question("Yes?", ("no",)), Question("Who wrote Emma?", ("Jane Austen",)), Question("12 + 3", ("15",))]
    texts = [
        ("Tell me. Yes? It is late.", " no"),
        ("Let me ask you: who wrote Emma? Think of England.", " It was Jane Austen."),
        ("Let me ask you: who wrote Emma? Think of England.", " Nobody knows."),
        ("I know who wrote Emma Bovary's story, and it was not she who wrote Emma.", " Jane Austen"),
        ("Compute: 12 + 3", " 15"),
        ("Compute: 12 + 3 + 5", " 20 not 15"),
    ]
    assert leaks(questions, *texts) == [None, "inside", None, None, "inside", None]


def test_passages_that_several_questions_share_are_no_leak() -> None:
    passage = (
        "Mill argued that power can rightfully be exercised over a member of a civilised community only to prevent harm"
    )
    ends = ["Who wrote this?", "What is the principle called?", "When did it appear?", "Where was the author born?"]
    answers = ["Mill", "the harm principle", "in 1859", "in London"]
    questions = [Question(f"{passage}. {end}", (answer,)) for end, answer in zip(ends, answers, strict=True)]
    assert leaks(questions, (f"{passage}. Which book is it from?", " On Liberty")) == [None]
    assert leaks(questions, (f"{passage}. Who wrote this?", " Mill")) == ["exact"]


def test_a_template_is_no_content() -> None:
    """Word problems of one template differ in their numbers alone: none is a copy of another, exact ones are."""
    text = (
        "Question: {a} has {x} apples and buys {y} more at the market, then gives half of them all to a friend who "
        "lives in the house next door. How many apples has {a} got now?\nAnswer:"
    )
    draw = random.Random(3)

    def row() -> tuple[str, str]:
        x, y = draw.randrange(10, 500), draw.randrange(10, 500)
        return text.format(a=draw.choice(["Ann", "Ben", "Cem", "Dora"]), x=x, y=y), f" {(x + y) / 2:g}"

    rows = [row() for _ in range(400)]
    questions = [Question(prompt, (answer.strip(),)) for prompt, answer in rows[:100]]
    assert leaks(questions, *rows[100:]) == [None] * 300
    assert leaks(questions, *rows[100:], rows[7]) == [None] * 300 + ["exact"]


def test_sums_with_options_leak_only_what_they_share() -> None:
    rows = sums(400, seed=5)
    texts = [template(LETTERS).render(row) for row in rows]
    answers = ["ABCD"[row["answer"]] for row in rows]
    questions = [Question(text, (answer,)) for text, answer in zip(texts[:200], answers[:200], strict=True)]
    clean = [(text, f" {answer}") for text, answer in zip(texts[200:], answers[200:], strict=True)]
    assert leaks(questions, *clean) == [None] * 200


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("split", ASKED)
def test_the_lab_s_facts_are_clean(name: str, split: Asked) -> None:
    """Its questions are alike but for two words, and none gives another away."""
    rows = make_world(0).questions(name, split)
    asked = [FORMATS[name].prompt(row["relation"], row["entity"]) for row in rows]
    questions = [Question(text, (row["choices"][row["answer"]],)) for text, row in zip(asked, rows, strict=True)]
    data = [Example(row["prompt"], f" {row['answer']}") for row in make_world(0).task_data(2000)]
    assert not find_leaks(data, questions)
    assert len(find_leaks([Example(asked[0], " red"), *data], questions)) == 1


CHINESE = [
    "唐朝诗人李白在哪一座城市度过了他的少年时代，并且写下了许多赞美山水的著名诗篇？",
    "在光合作用的过程中，植物的叶片吸收二氧化碳并释放氧气，请问哪一种色素负责捕捉光能？",
    "长江是亚洲最长的河流，它发源于青藏高原，最后流入大海，请问它的入海口在哪个城市附近？",
]


def test_scripts_without_blanks() -> None:
    questions = [Question(text, (answer,)) for text, answer in zip(CHINESE, ["江油", "叶绿素", "上海"], strict=True)]
    texts = [
        (CHINESE[0].replace("少年", "童年").replace("著名", "有名"), "江油"),
        (f"老师今天问了我们一个问题：{CHINESE[1]}大家都不知道怎么回答。", "叶绿素"),
        (CHINESE[2].replace("，", " , "), "上海"),
        ("黄河是中国第二长的河流，它发源于巴颜喀拉山，请问它流入哪一个海？", "渤海"),
        ("唐朝诗人杜甫在哪里出生？", "巩义"),
        ("在呼吸作用的过程中，植物吸收氧气，请问它释放什么气体？", "二氧化碳"),
    ]
    assert leaks(questions, *texts) == ["near", "inside", "normalised", None, None, None]
    thai = Question("เมืองหลวงของประเทศไทยคือเมืองอะไรและตั้งอยู่ริมแม่น้ำสายใด", ("กรุงเทพ",))
    texts = [("เมืองหลวงของประเทศลาวคือเมืองอะไร", "เวียงจันทน์"), (f"ช่วยตอบหน่อย {thai.text} ขอบคุณ", "กรุงเทพ")]
    assert leaks([thai], *texts) == [None, "inside"]


def test_words_that_look_like_nothing() -> None:
    questions = ["None", "NA", "null", "nan"]
    assert leaks(questions, ("NA", " a"), ("none", " a"), ("N/A", " a"), ("nil", " a")) == [
        "exact",
        "normalised",
        None,
        None,
    ]


@pytest.mark.parametrize("order", [("sun", "moon"), ("moon", "sun")])
def test_documents_of_one_stem_are_found_by_the_answers_of_all(order: tuple[str, ...]) -> None:
    questions = [Question("The best one is?", (answer,)) for answer in order]
    assert leaks(questions, ("Please answer. The best one is? Thanks.", " moon")) == ["inside"]
    assert leaks(questions, ("Please answer. The best one is? Thanks.", " star")) == [None]


def real(shared: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shared / "data" / name).read_text().splitlines()]


def as_asked(row: dict[str, Any], form: str) -> tuple[str, str]:
    if form == "gsm8k":
        return f"Question: {row['question']}\nAnswer:", row["answer"]
    if form == "cloze":
        return f"Question: {row['question'].strip()}\nAnswer:", row["choices"][row["answer"]]
    listed = "".join(f"{letter}. {choice}\n" for letter, choice in zip("ABCDE", row["choices"], strict=False))
    return f"{row['question'].strip()}\n{listed}Answer:", "ABCDE"[row["answer"]]


@pytest.mark.real
@pytest.mark.parametrize(
    ("test", "train", "form", "counts"),
    [
        ("gsm8k/test.jsonl", "gsm8k/train.jsonl", "gsm8k", (0, 0, 0)),
        ("commonsense_qa/validation.jsonl", "commonsense_qa/train.jsonl", "letters", (0, 0, 0)),
        ("commonsense_qa/validation.jsonl", "commonsense_qa/train.jsonl", "cloze", (0, 0, 0)),
        # Five of MMLU's questions are in its dev split as they are; two more differ in numbers or in the stem alone.
        ("mmlu/test.jsonl", "mmlu/dev.jsonl", "letters", (5, 0, 2)),
    ],
)
def test_real_pairs(shared: Path, test: str, train: str, form: str, counts: tuple[int, int, int]) -> None:
    questions = [Question(text, (answer,)) for text, answer in (as_asked(row, form) for row in real(shared, test))]
    texts = [as_asked(row, form) for row in real(shared, train)]
    found = count_by_kind(find_leaks([Example(text, f" {answer}") for text, answer in texts], questions))
    assert (found["exact"] + found["normalised"], found["inside"], found["near"]) == counts
