"""The leak check: what is the same text, five kinds of planted leaks, clean pairs, templates, and the policies."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.cells import request
from tests.conftest import LETTERS, sums, write_jsonl
from ttt.cell.key import cell_key
from ttt.cell.run import run_cell
from ttt.files.rows import DataFiles
from ttt.lab.world import make_world
from ttt.spec import Bench, SpecError
from ttt.tasks.bench import load_tasks
from ttt.tasks.leaks import Question, asked_questions, check_leaks, count_by_kind, find_leaks, in_words, normalise
from ttt.tasks.task_data import Example, TaskData
from ttt.tasks.templates import template
from ttt.tracking import Tracker

SAME = [
    ("What is 2 + 2?", "what   is 2+2"),
    ("What is 12 + 3 = ?", "what is 12+3="),
    ("Café—ﬁne", "CAFÉ fine"),
    ("well-known e-mail", "well known e mail"),
    ("naïve", "nai\u0308ve"),
    ("１２ − ３", "12 - 3"),
    ("12–3", "12-3"),
    ("CO₂", "CO2"),
    ("x²", "x^2"),
    ("1½", "1 1/2"),
    (".5", "0.5"),
    ("$1,000", "$1000"),
    ("[1,2,3]", "[1, 2, 3]"),
    ("2 : 1", "2:1"),
    ("**Answer:** yes", "Answer yes"),
    ("# Title\n* one\n- two", "title one two"),
    ("Janet’s “robe”", "janet's robe"),
    ("born in '1984'", "born in 1984"),
    ("5′10″", "5'10\""),
    ("❤️ co\u00adoperate", "❤ cooperate"),
    ("你好，世界！", "你好世界"),
]
OPERATORS = [*"+-*/=<>^%|~&±×÷·≤≥≠≈∧∨→∈∪∩:", "!=", "==", "<=", "**", "//", "mod"]
DIFFERENT = [
    ("-5", "5"),
    ("10 - -3", "10 - 3"),
    ("3.14", "314"),
    ("3.14", "3 14"),
    ("12.5", "125"),
    ("1,000", "1.000"),
    ("2:1", "21"),
    ("1/2", "12"),
    ("1½", "11/2"),
    ("①②", "12"),
    ("x²", "x2"),
    ("10⁻³", "10³"),
    ("㎡", "m2"),
    ("√2", "2"),
    ("5!", "5"),
    ("n!", "n"),
    ("f'(x)", "f(x)"),
    ("y''", "y'"),
    ("5'", "5"),
    ("30°", "30"),
    ("20 °C", "20 °F"),
    ("$5", "€5"),
    ("£5", "5"),
    ("50%", "50"),
    ("#5", "5"),
    ("x - y", "x y"),
    ("-x", "x"),
    ("(2 + 3) * 4", "2 + 3 * 4"),
    ("(-2)^2", "-2^2"),
    ("[0, 1)", "(0, 1]"),
    ("⌊x⌋", "⌈x⌉"),
    ("3 + ? = 5", "3 + = 5"),
    ("x ∪ y", "x ∩ y"),
    ("¬p", "p"),
    ("C", "C++"),
    ("C", "C#"),
    ("C++", "C#"),
    ("i++", "i--"),
    ("!x", "x"),
    ("type([])", "type({})"),
    ("a[1:]", "a[:1]"),
    ("a -> b", "a <- b"),
    ("Na+", "Na"),
    ("Cl-", "Cl"),
    ("A+", "A-"),
    ("resume", "résumé"),
    ("कि", "का"),
    ("กิน", "กัน"),
    ("🙂", "🙁"),
    ("👍🏻", "👍🏿"),
    ("1️⃣", "1"),
    (
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    ),
    ("None", "NA"),
    ("nan", "null"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_case_blanks_and_punctuation_do_not_count(a: str, b: str) -> None:
    assert normalise(a) == normalise(b)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_signs_count(a: str, b: str) -> None:
    assert normalise(a) != normalise(b)
    assert normalise(a)
    assert normalise(f"What is {a} now?") != normalise(f"What is {b} now?")


def test_every_operator_asks_something_else() -> None:
    asked = {normalise(f"What is 12 {operator} 3?") for operator in ["", *OPERATORS]}
    assert len(asked) == len(OPERATORS) + 1


@pytest.mark.parametrize("text", ["?", "_", "—", "...", "🙂", "∅", "💡💡", "()", "'", "¿?"])
def test_no_text_normalises_to_nothing(text: str) -> None:
    assert normalise(text) != normalise("")
    assert find_leaks([Example(text, " a"), Example("other", " a")], [text]).keys() == {0}


def leaks(questions: list[Any], *texts: tuple[str, str]) -> list[str | None]:
    """Of each (prompt, answer), the kind of leak it is."""
    found = find_leaks([Example(*text) for text in texts], questions)
    return [found[place].kind if place in found else None for place in range(len(texts))]


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


@pytest.mark.parametrize("split", ["test", "validation"])
def test_the_lab_s_facts_are_clean(split: str) -> None:
    world = make_world(0)
    prompt = "Question : what is the {relation} of {entity} ? Answer :"
    questions = [Question(prompt.format(**row), (row["choices"][row["answer"]],)) for row in getattr(world, split)()]
    data = [Example(prompt.format(**row), f" {row['value']}") for row in world.task_data(2000)]
    asked_too = {question.text for question in questions}
    found = find_leaks(data, questions)
    assert set(found) == {place for place, one in enumerate(data) if one.prompt in asked_too}
    assert (len(found) == 0) == (split == "test")


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


WINOGRANDE = [
    {
        "sentence": "The trophy did not fit into the brown suitcase because the _ was far too large for it to close.",
        "options": ["trophy", "suitcase"],
        "answer": 0,
    },
    {
        "sentence": "Sarah thanked Maria for the surgery because _ had been in pain for most of the year.",
        "options": ["Sarah", "Maria"],
        "answer": 0,
    },
]


def contexts_bench(conf: Path, folder: Path) -> Any:
    test = write_jsonl(folder / "test.jsonl", WINOGRANDE)
    task = {
        "task": "gaps",
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "answer",
        "doc_to_choice": "{{[sentence.split('_')[0] + options[0], sentence.split('_')[0] + options[1]]}}",
        "doc_to_target": "{{sentence.split('_')[1].strip()}}",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    files = {"test": str(test)}
    made = request(conf, folder, adjustment="none").cell.bench
    return made.model_copy(update={"tasks": (task,), "files": files, "task_data": (), "num_fewshot": 0})


def test_contexts_in_the_choices(conf: Path, tmp_path: Path) -> None:
    """The question is all that is asked: each context with the target, and the sentence with its gap."""
    bench = contexts_bench(conf, tmp_path)
    questions = asked_questions(load_tasks(bench, DataFiles())["tasks"].values(), bench)
    assert questions[0].text == WINOGRANDE[0]["sentence"].replace("_", "trophy")
    sentence = str(WINOGRANDE[0]["sentence"])
    texts = [
        (sentence.replace("_", "trophy"), " yes"),
        (sentence.replace("_", "suitcase").upper(), " no"),
        (sentence.split("_")[0].strip(), f" trophy{sentence.split('_')[1]}"),
        (f"{sentence}\nA. trophy\nB. suitcase\nAnswer:", " A"),
        ("The trophy stood on the shelf.\nA. trophy\nB. suitcase\nAnswer:", " A"),
        ("0", " 1"),
    ]
    assert leaks(questions, *texts) == ["exact", "normalised", "normalised", "inside", None, None]


BENCH = Bench(name="b", version=1, format="generate", chance=0, metric="acc,none", tasks=("whole",))


class Whole:
    """What lm-eval's perplexity tasks look like to the check."""

    class config:  # noqa: N801
        task, doc_to_choice = "whole", None

    eval_docs = [{"page": "A long page of text that a perplexity is taken of, and nothing is asked."}]  # noqa: RUF012

    def doc_to_text(self, doc: dict[str, str]) -> str:
        return ""

    def doc_to_target(self, doc: dict[str, str]) -> str:
        return doc["page"]


def test_documents_scored_as_a_whole_are_their_own_question() -> None:
    (question,) = asked_questions([Whole()], BENCH)
    assert question.text == Whole.eval_docs[0]["page"]


def test_only_what_is_asked_is_compared_and_a_fault_has_its_place() -> None:
    class Faulty(Whole):
        eval_docs = [*Whole.eval_docs, {"text": "no page"}]  # noqa: RUF012

    assert len(asked_questions([Faulty()], BENCH.model_copy(update={"limit": 1}))) == 1
    with pytest.raises(SpecError, match=r"bench 'b': document 1 \(from 0\) of task 'whole' cannot be asked: 'page'"):
        asked_questions([Faulty()], BENCH)


@pytest.mark.parametrize("order", [("sun", "moon"), ("moon", "sun")])
def test_documents_of_one_stem_are_found_by_the_answers_of_all(order: tuple[str, ...]) -> None:
    questions = [Question("The best one is?", (answer,)) for answer in order]
    assert leaks(questions, ("Please answer. The best one is? Thanks.", " moon")) == ["inside"]
    assert leaks(questions, ("Please answer. The best one is? Thanks.", " star")) == [None]


def test_nothing_to_compare() -> None:
    assert find_leaks([Example("A question?", " yes")], []) == {}
    assert find_leaks([], ["A question?"]) == {}
    assert find_leaks([Example("A", " b"), Example("  ", " b")], ["", " ", "B"]) == {}


def test_policies() -> None:
    data = TaskData((Example("A question?", " yes"), Example("Another", " no")), {"empty": 2})
    kept, found = check_leaks(data, ["a question"], "remove")
    assert (kept.examples, kept.n_dropped) == ((Example("Another", " no"),), {"empty": 2, "leaked": 1})
    assert in_words(found, "remove") == (
        "1 example of task data holds test questions (1 but for case, blanks and punctuation) and is left out"
    )
    kept, found = check_leaks(data, ["a question"], "report")
    assert (kept, len(found)) == (data, 1)
    with pytest.raises(
        SpecError, match=r"bench.leak=fail: 1 example .*\n  normalised: the test asks 'a question', task"
    ):
        check_leaks(data, ["a question"], "fail")
    assert check_leaks(data, ["nothing of the kind"], "fail") == (
        TaskData(data.examples, {"empty": 2, "leaked": 0}),
        {},
    )


def test_a_cell_counts_shows_and_says_its_leaks(conf: Path, tmp_path: Path) -> None:
    said: list[str] = []
    asked_for = request(conf, tmp_path, "bench.leak=report", "adjustment.examples=4")
    tracker = Tracker(asked_for.tracking)
    result = run_cell(asked_for.cell, asked_for.trainer, tracker, say=said.append)
    metrics = tracker.client.get_run(result.run_id).data.metrics
    counted = {
        name.removeprefix("task_data/"): n for name, n in metrics.items() if name.startswith("task_data/n_leaked")
    }
    kinds = {"n_leaked_exact": 0, "n_leaked_normalised": 1, "n_leaked_inside": 0, "n_leaked_near": 0}
    assert counted == {"n_leaked": 1, **kinds}
    assert metrics["task_data/n_examples"] == 81, "reported, and trained on"
    assert [text for text in said if "trained on all the same (bench.leak=report)" in text]
    table = json.loads(Path(tracker.artifact(result.run_id, "leaks.json")).read_text())  # type: ignore[arg-type]
    assert table["columns"] == ["kind", "test question", "task data"]
    assert [row[0] for row in table["data"]] == ["normalised"]
    assert "WHAT  IS" in table["data"][0][2]


def test_the_key_knows_what_is_trained_on(conf: Path, tmp_path: Path) -> None:
    def key(*overrides: str, adjustment: str = "smoke") -> str:
        cell = request(conf, tmp_path, *overrides, adjustment=adjustment).cell
        return cell_key(cell, "source", "32", DataFiles())

    assert key() == key("bench.leak=fail") != key("bench.leak=report")
    assert key(adjustment="none") == key("bench.leak=report", adjustment="none")


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
