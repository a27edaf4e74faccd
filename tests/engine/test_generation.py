"""What is generated: draws that differ and come again, and answers that end where the model says that they end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.evaluator import evaluate as harness_evaluate
from lm_eval.models.huggingface import HFLM

from tests import cells
from tests.conftest import write_jsonl
from ttt.cell.evaluation import evaluate
from ttt.cell.prepare import prepare
from ttt.cell.resolve import resolve
from ttt.engine.lm import Backend
from ttt.engine.load import load
from ttt.engine.scoring.answers import Answers, KeepingBackend
from ttt.spec import Bench, Model, SpecError, Trainer
from ttt.tasks.bench import load_tasks
from ttt.tracking import Tracker

CPU = Trainer(accelerator="cpu", precision="32", threads=1, progress=False)
DRAWN = {"until": [], "max_gen_toks": 12, "do_sample": True, "temperature": 1.0}
PROMPTS = ["What is it?", "Who was it?", "Which one is it, and why?", "What is it?"]  # one of them twice


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> tuple[Any, Any]:
    facts = {"name": "tiny", "family": "tiny", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}
    return load(Model(**facts, path=str(tiny_model)))


def requests(options: dict[str, Any], repeats: int) -> list[Instance]:
    """As lm-eval asks: each request as often as it is repeated."""
    asked = [
        Instance("generate_until", {}, (prompt, options), 0, ("few", place, repeats))
        for place, prompt in enumerate(PROMPTS)
    ]
    return [request for request in asked for _ in range(repeats)]


def by_document(texts: list[str], asked: list[Instance]) -> dict[Any, list[str]]:
    grouped: dict[Any, list[str]] = {}
    for text, request in zip(texts, asked, strict=True):
        grouped.setdefault(request.doc_id, []).append(text)
    return grouped


def test_repeats_are_draws_of_their_own(loaded: tuple[Any, Any]) -> None:
    asked = requests(DRAWN, 8)
    texts = Backend(*loaded, CPU).generate_until(asked)
    assert len(set(texts)) == len(texts) == 32, "of documents that are equal too"
    seven = requests(DRAWN, 7)
    fewer = by_document(Backend(*loaded, CPU).generate_until(seven), seven)
    for document in (1, 2):
        assert fewer[document] == by_document(texts, asked)[document][:7]
    other = Backend(*loaded, CPU)
    other.seed = 1
    assert not set(other.generate_until(asked)) & set(texts)


def test_draws_do_not_depend_on_order_batches_or_a_stop(loaded: tuple[Any, Any], tmp_path: Path) -> None:
    asked = requests(DRAWN, 4)
    texts = Backend(*loaded, CPU).generate_until(asked)
    torch.manual_seed(5)
    narrow = Backend(*loaded, CPU.model_copy(update={"eval_tokens": 1}))
    narrow.reuses_prefixes = False
    assert narrow.generate_until(asked) == texts
    backwards = by_document(Backend(*loaded, CPU).generate_until(asked[::-1]), asked[::-1])
    for document in (1, 2):
        assert backwards[document] == by_document(texts, asked)[document]
    assert sorted(backwards[0] + backwards[3]) == sorted(texts[:4] + texts[-4:])

    keeping = KeepingBackend(*loaded, CPU)
    keeping.answers = Answers(tmp_path / "answers.jsonl", "few")
    assert keeping.generate_until(asked) == texts
    lines = (tmp_path / "answers.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == len(texts)
    (tmp_path / "answers.jsonl").write_text("".join(lines[:5]))
    keeping.answers = Answers(tmp_path / "answers.jsonl", "few")
    assert keeping.generate_until(asked) == texts


@pytest.mark.parametrize(
    "options", [{"do_sample": True, "temperature": 0.0}, {"do_sample": True, "temperature": 0}, {}]
)
def test_a_temperature_of_zero_is_greedy_and_computed_once(loaded: tuple[Any, Any], options: dict[str, Any]) -> None:
    backend, single = Backend(*loaded, CPU), Backend(*loaded, CPU)
    greedy = {"until": ["\n"], "max_gen_toks": 6}
    texts = backend.generate_until(requests(greedy | options, 8))
    once = single.generate_until(requests(greedy, 1))
    assert texts == [text for text in once for _ in range(8)]
    assert backend.n_tokens == single.n_tokens


def test_options_of_greedy_decoding_are_heeded(loaded: tuple[Any, Any]) -> None:
    options = {"until": ["\n"], "max_gen_toks": 12, "do_sample": False, "repetition_penalty": 1.5}
    asked = requests(options, 1)
    theirs = HFLM(pretrained=loaded[0], tokenizer=loaded[1], batch_size=1).generate_until(asked)
    assert Backend(*loaded, CPU).generate_until(asked) == theirs
    assert theirs != Backend(*loaded, CPU).generate_until(requests({"until": ["\n"], "max_gen_toks": 12}, 1))
    backend = Backend(*loaded, CPU)
    for batch in backend._laid_out(backend._asked(asked))[1]:
        assert batch.attention_mask.all(), "a penalty counts the tokens of padding as it counts a prompt's"
    with pytest.raises(SpecError, match=r"generation_kwargs: 'num_beam' is no option .* num_beams"):
        Backend(*loaded, CPU).generate_until(requests({**options, "num_beam": 3}, 1))


@pytest.mark.parametrize(
    ("name", "setting"), [("repetition_penalty", 1.5), ("no_repeat_ngram_size", 2), ("suppress_tokens", "e")]
)
def test_a_models_own_settings_are_heeded_as_lm_eval_heeds_them(
    loaded: tuple[Any, Any], name: str, setting: Any
) -> None:
    model, tokenizer = loaded
    prompts = [*PROMPTS, "Why, and for whom was it that it was?"]
    options = {"until": ["\n"], "max_gen_toks": 12}
    asked = [Instance("generate_until", {}, (prompt, options), 0, ("own", i, 1)) for i, prompt in enumerate(prompts)]
    plain = Backend(model, tokenizer, CPU).generate_until(asked)
    setattr(model.generation_config, name, tokenizer.encode(setting) if isinstance(setting, str) else setting)
    try:
        ours = Backend(model, tokenizer, CPU).generate_until(asked)
        theirs = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1).generate_until(asked)
    finally:
        setattr(model.generation_config, name, None)
    assert ours == theirs != plain


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"temprature": 1}, "'temprature' is no option of generation; the nearest are: temperature"),
    ({"to_dict": 1}, "'to_dict' is no option"),
    ({"max_gen_toks": "x"}, r"\.max_gen_toks: 'x' is not a whole number"),
    ({"max_new_tokens": 0}, r"\.max_new_tokens: 0 is not a whole number from 1"),
    ({"until": 5}, r"\.until: 5 is not a text"),
    ({"until": None}, r"\.until: None is not a text"),
    ({"until": ["a", None]}, r"\.until: \['a', None\] is not a text"),
    ({"do_sample": "no"}, r"\.do_sample: 'no' is not true or false"),
    ({"temperature": -1.0, "do_sample": True}, r"\.temperature: -1.0 is not a number from 0"),
    ({"repetition_penalty": "high"}, r"\.repetition_penalty: 'high' is not a number"),
    ({"no_repeat_ngram_size": 1.5}, r"\.no_repeat_ngram_size: 1.5 is not a whole number"),
    ({"eos_token_id": 5}, r"\.eos_token_id: is set by ttt"),
    ({"stop_strings": ["a"]}, r"\.stop_strings: is set by ttt"),
    ({"pad_token_id": 3}, r"\.pad_token_id: is set by ttt"),
    ({"num_return_sequences": 2}, r"\.num_return_sequences: is set by ttt"),
    ({"return_dict_in_generate": True}, r"\.return_dict_in_generate: is set by ttt"),
    ({"early_stopping": "x"}, "early_stopping"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_options_are_refused_before_the_model_is_loaded(
    conf: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    made = cells.request(conf, tmp_path, bench="sums_generate")
    (task,) = made.cells[0].bench.tasks
    assert isinstance(task, dict)
    bench = made.cells[0].bench.model_copy(update={"tasks": ({**task, "generation_kwargs": options},)})
    cell = made.cells[0].model_copy(update={"bench": bench})
    resolved = resolve([cell], made.trainer, Tracker(made.tracking), True, lambda text: None)
    with pytest.raises(SpecError, match=f"bench.tasks '.*'.generation_kwargs.*{message}"):
        prepare(resolved.cells, resolved, lambda text: None)


def test_the_majority_of_draws(loaded: tuple[Any, Any], tmp_path: Path) -> None:
    """lm-eval's maj@8 over a bench: a vote over eight different texts."""
    rows = [{"question": f"Say {i}:", "answer": str(i)} for i in range(6)]
    task = {
        "task": "say",
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {**DRAWN, "max_gen_toks": 1},
        "repeats": 8,
        "metric_list": [{"metric": "exact_match"}],
        "filter_list": [{"name": "maj@8", "filter": [{"function": "majority_vote"}, {"function": "take_first"}]}],
    }
    files = {"test": str(write_jsonl(tmp_path / "test.jsonl", rows))}
    fields = {"format": "generate", "chance": 0.0, "metric": "exact_match,maj@8"}
    bench = Bench(name="say", version=1, tasks=[task], files=files, **fields)
    backend = Backend(*loaded, CPU)
    drawn = harness_evaluate(backend, load_tasks(bench), bootstrap_iters=0)["samples"]
    votes = []
    for sample in next(iter(drawn.values())):
        assert len(set(sample["resps"][0])) > 1
        votes.append(Counter(sample["resps"][0]).most_common(1)[0][0])
    items = evaluate(backend, bench, load_tasks(bench)).items
    assert items["prediction"].tolist() == votes
    assert evaluate(backend, bench, load_tasks(bench), seed=3).items["prediction"].tolist() != votes


@pytest.mark.parametrize("shares", [True, False])
def test_an_answer_ends_at_each_of_the_models_end_tokens(loaded: tuple[Any, Any], tmp_path: Path, shares: bool) -> None:
    model, tokenizer = loaded
    asked = requests({"until": ["\n"], "max_gen_toks": 24}, 1)
    backend = Backend(model, tokenizer, CPU)
    backend.reuses_prefixes = shares
    free = backend.generate_until(asked)
    end = Counter(letter for text in free for letter in text[1:] if letter.isascii()).most_common(1)[0][0]
    (second,) = tokenizer.encode(end)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, second]
    try:
        ended = backend.generate_until(asked)
        theirs = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1).generate_until(asked)
    finally:
        model.generation_config.eos_token_id = tokenizer.eos_token_id
    assert ended == [text.split(end)[0] for text in free] != free
    assert ended == [text.removesuffix(end) for text in theirs], "hf ends there too"
