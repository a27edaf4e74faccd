"""The leak check: examples of task data that give away what the test asks, to the letter or nearly so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Any, Literal, get_args

from ttt.spec import Bench, SpecError
from ttt.tasks.answerable import naming
from ttt.tasks.frames import Frame
from ttt.tasks.overlap import AskedQuestion, Index, Text, spell_out
from ttt.tasks.task_data import Example, TaskData
from ttt.tasks.words import normalise, words

Kind = Literal["exact", "normalised", "inside", "near"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""To the letter; but for case, blanks and punctuation; one inside the other; a near-copy."""

N_SAMPLE = 2000
"""Examples, the first of the shuffled pool, from which the template of the task data is learnt."""
N_BATCH = 1000


@dataclass(frozen=True)
class Question:
    """A test document as it is asked without shots, and its right answers.

    `forms` are other texts that are the whole question: sentences where the choices are put in, or a gap is left.
    """

    text: str
    answers: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leak:
    """An example of task data that gives a test question away."""

    kind: Kind
    question: str
    example: Example


def find_leaks(examples: Sequence[Example], questions: Iterable[Question | str]) -> dict[int, Leak]:
    """The leaks among examples, by their place. `ttt.tasks.overlap` says what counts as inside and as near.

    Prompts are compared with questions, and prompts with their answers with questions with theirs.
    """
    asked = [question if isinstance(question, Question) else Question(question) for question in questions]
    letters = {text: text for question in asked for text in (question.text, *question.forms) if text.strip()}
    index, equal = _index(asked, [example.prompt for example in examples[:N_SAMPLE]])
    leaks: dict[int, Leak] = {}
    for first in range(0, len(examples), N_BATCH):
        texts, places = [], []
        for place, example in enumerate(examples[first : first + N_BATCH], first):
            prompt, answer = words(example.prompt), words(example.answer)
            joined = " ".join(prompt)
            if example.prompt in letters:
                leaks[place] = Leak("exact", example.prompt, example)
            elif question := equal.get(joined) or equal.get(" ".join([joined, *answer])):
                leaks[place] = Leak("normalised", question, example)
            else:
                texts.append(Text(example.prompt, example.answer, prompt, answer))
                places.append(place)
        for place, (kind, i) in index.find(texts).items():
            leaks[places[place]] = Leak(kind, index.asked[i].text, examples[places[place]])
    return leaks


def _index(questions: Sequence[Question], sample: Sequence[str]) -> tuple[Index, dict[str, str]]:
    """The questions as n-grams, and by their normalised texts, without and with the answers."""
    places: dict[str, tuple[int, str, list[str]]] = {}
    answers: dict[str, dict[str, list[str]]] = {}
    for number, question in enumerate(questions):
        for text in (question.text, *question.forms):
            if read := words(text):
                places.setdefault(" ".join(read), (number, text, read))
        # Documents with one stem ("Which is right?") are one question with the answers of all.
        spelt_out = [words(spell_out(question.text, answer)) for answer in question.answers]
        answers.setdefault(" ".join(words(question.text)), {}).update({" ".join(one): one for one in spelt_out if one})
    asked = [AskedQuestion(*place, tuple(answers.get(joined, {}).values())) for joined, place in places.items()]
    equal = {joined: text for joined, (_, text, _) in places.items()}
    for question in questions:
        for answer in question.answers:
            equal.setdefault(f"{normalise(question.text)} {normalise(answer)}", question.text)
    frame = Frame([one.text for one in asked], [one.words for one in asked])
    return Index(asked, frame | Frame(sample, [words(prompt) for prompt in sample])), equal


def check_leaks(
    data: TaskData, questions: Iterable[Question | str], policy: Literal["remove", "report", "fail"] = "remove"
) -> tuple[TaskData, dict[int, Leak]]:
    """The task data to train on, and the leaks that were found, by their place among all examples.

    What is removed is counted as `leaked`. Raises SpecError if there are leaks and the policy is to fail.
    """
    leaks = find_leaks(data.examples, questions)
    if policy == "fail" and leaks:
        shown = "".join(
            f"\n  {leak.kind}: the test asks {_short(leak.question)}, "
            f"task data have {_short(leak.example.prompt + leak.example.answer)}"
            for leak in some_of_each_kind(leaks, 2)
        )
        raise SpecError(
            f"bench.leak=fail: {in_words(leaks, policy)} (remove leaves them out, report keeps them){shown}"
        )
    if policy == "report":
        return data, leaks
    kept = tuple(example for place, example in enumerate(data.examples) if place not in leaks)
    return replace(data, examples=kept, n_dropped={**data.n_dropped, "leaked": len(leaks)}), leaks


def remove_leaks(data: TaskData, questions: Iterable[Question | str]) -> TaskData:
    """The task data without its leaks; what was removed is counted as `leaked`."""
    return check_leaks(data, questions)[0]


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:100]}...")


def count_by_kind(leaks: Mapping[int, Leak]) -> dict[Kind, int]:
    """How many leaks there are of each kind, kinds without any included."""
    counts = Counter(leak.kind for leak in leaks.values())
    return {kind: counts[kind] for kind in KINDS}


def in_words(leaks: Mapping[int, Leak], policy: str) -> str:
    """One sentence: how many examples of task data hold test questions, how, and what becomes of them."""
    how = {"exact": "to the letter", "normalised": "but for case, blanks and punctuation", "near": "as near-copies"}
    how["inside"] = "in a longer text"
    kinds = ", ".join(f"{n:,} {how[kind]}" for kind, n in count_by_kind(leaks).items() if n)
    done = {"remove": " and are left out", "report": " and are trained on all the same (bench.leak=report)"}
    examples = "1 example of task data holds" if len(leaks) == 1 else f"{len(leaks):,} examples of task data hold"
    text = f"{examples} test questions ({kinds}){done.get(policy, '')}"
    return text.replace("and are", "and is") if len(leaks) == 1 else text


def some_of_each_kind(leaks: Mapping[int, Leak], n: int = 50) -> Iterator[Leak]:
    """The first leaks of each kind, at most n."""
    for kind in KINDS:
        yield from islice((leak for leak in leaks.values() if leak.kind == kind), n)


def asked_questions(tasks: Iterable[Any], bench: Bench) -> list[Question]:
    """Each test document that the bench asks of lm-eval tasks, without shots; few-shot documents are not among them."""
    questions = []
    for task in tasks:
        for number, doc in enumerate(islice(task.eval_docs, bench.limit)):
            with naming(bench, task, "document", number, doc):
                questions.append(_question(task, doc))
    return questions


def _question(task: Any, doc: dict[str, Any]) -> Question:
    text, target = task.doc_to_text(doc), task.doc_to_target(doc)
    choices = task.doc_to_choice(doc) if task.config.doc_to_choice is not None else []

    def chosen(one: Any) -> str:
        return str(choices[one] if isinstance(one, int) and 0 <= one < len(choices) else one)

    if getattr(task, "multiple_input", 0):  # the text is the place of the right context among the choices
        ending = f"{task.config.target_delimiter}{target}"
        columns = zip(*(context.split(" ") for context in choices), strict=False)
        shared = " ".join(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))
        forms = [*(f"{context}{ending}" for context in choices), f"{shared} _{ending}"]
        return Question(f"{chosen(text)}{ending}", (), tuple(forms))
    answers = tuple(chosen(one) for one in (target if isinstance(target, list) else [target]))
    if not str(text).strip():  # a document that is scored as a whole, such as a perplexity's
        return Question(answers[0])
    return Question(str(text), answers)
