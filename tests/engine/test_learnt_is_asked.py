"""What training learns for a document is, token for token, what scoring asks and counts as right; for any bench."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tests.conftest import write_jsonl
from ttt.engine.lm import Backend
from ttt.engine.load import load
from ttt.engine.training.data import encode
from ttt.files.rows import DataFiles
from ttt.spec import Bench, Model, SpecError, TaskDataset, Trainer
from ttt.tasks.bench import load_tasks
from ttt.tasks.task_data import load_task_data

WORDS = ("cat", "a cat", "12", "007", "None", "null", "true", "Answer", "A", "é", "中文", "😀", "x  y", "it's", "-3")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join) | st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12
).filter(
    lambda text: text.strip() and not (text.startswith("[") and text.endswith("]"))
)  # which lm-eval takes for lists


@st.composite
def benches(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, Any], TaskDataset]:
    """Rows, the fields of a task over them, and the task data that ask as the task asks."""
    n = draw(st.integers(2, 5))
    rows = []
    for number in range(draw(st.integers(1, 4))):
        choices = draw(st.lists(texts, min_size=n, max_size=n, unique_by=str.strip))
        question = f"{number} {draw(texts)}"
        rows.append({"question": question, "choices": choices, "answer": draw(st.integers(0, n - 1))})
    delimiter = draw(st.sampled_from([" ", "\n", "", ": "]))
    ending = draw(st.sampled_from(["\nAnswer:", "\nAnswer: ", "\n", "? ", "="]))
    form = draw(st.sampled_from(["letters", "texts", "generate"]))
    prompt = "{{question}}" + ending
    if form == "letters":
        prompt = "{{question}}{% for c in choices %}\n{{'ABCDE'[loop.index0]}}. {{c}}{% endfor %}" + ending
        task: dict[str, Any] = {"doc_to_choice": list("ABCDE"[:n]), "doc_to_target": "answer"}
        answer = delimiter + "{{'ABCDE'[answer]}}"
    elif form == "texts":
        # What a template prints of a number that is also a choice could be either, and is refused.
        digits = any(choice.strip().isdecimal() for row in rows for choice in row["choices"])
        task = {
            "doc_to_choice": "choices",
            "doc_to_target": draw(st.sampled_from(["answer", "{{answer}}"][: 2 - digits])),
        }
        answer = delimiter + "{{choices[answer]}}"
    else:
        task = {"doc_to_target": "{{choices[answer]}}", "generation_kwargs": {"until": ["<stop>"], "max_gen_toks": 50}}
        answer = delimiter + "{{choices[answer]}}"
    kind = "generate_until" if form == "generate" else "multiple_choice"
    common = {"task": "t", "test_split": "test", "output_type": kind, "target_delimiter": delimiter}
    fields = {**common, "doc_to_text": prompt, **task}
    return rows, fields, TaskDataset(name="t", files="unset", prompt=prompt, answer=answer)


@pytest.fixture(scope="module")
def backend(tiny_model: Path) -> Backend:
    """A tokenizer whose tokens reach over blanks and words, so that a text and its parts are cut differently."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    corpus = [f"{a}\nAnswer: {b}" for a, b in itertools.product(WORDS, repeat=2)] + ["A", "? B", "=C", ": D", " E"] * 9
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<|end|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(corpus, trainer)
    facts = {"name": "tiny", "family": "tiny", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}
    model, _ = load(Model(**facts, path=str(tiny_model)))  # type: ignore[arg-type]
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", model_max_length=2048)
    return Backend(model, fast, Trainer(precision="32", progress=False))


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(benches())
def test_what_is_learnt_is_what_is_asked_and_right(
    backend: Backend, tmp_path_factory: pytest.TempPathFactory, drawn: tuple[list[Any], dict[str, Any], TaskDataset]
) -> None:
    rows, fields, source = drawn
    file = str(write_jsonl(tmp_path_factory.mktemp("drawn") / "rows.jsonl", rows))
    generates = fields["output_type"] == "generate_until"
    asked = Bench(
        name="b",
        version=1,
        format="generate" if generates else "cloze",
        chance=0.0,
        metric="exact_match,none" if generates else "acc,none",
        files={"test": file},
        tasks=(fields,),
        task_data=(source.model_copy(update={"files": file}),),
    )
    files = DataFiles()
    (task,) = load_tasks(asked, files)["tasks"].values()
    task.build_all_requests()
    learnt = {e.prompt: e for e in load_task_data(asked, files).examples}
    assert len(learnt) == len(rows)
    end = backend.eot_token_id
    for doc, row in zip(task.eval_docs, rows, strict=True):
        assert {**doc} == row
        mine = [instance for instance in task.instances if instance.doc["question"] == row["question"]]
        example = learnt[mine[0].args[0]]
        if not generates and not backend.encode_pairs([mine[row["answer"]].args])[0][1]:
            with pytest.raises(SpecError, match="add no token"):
                encode(backend, {0: example}, 2000)
            with pytest.raises(SpecError, match="adds no token"):
                backend.loglikelihood([mine[row["answer"]]])
            continue
        trained, _ = encode(backend, {0: example}, 2000, generates=generates)
        given_ids, target_ids = trained[0].ids[: -trained[0].n_targets], trained[0].ids[-trained[0].n_targets :]
        if generates:
            assert list(given_ids) == backend.tok_encode(mine[0].args[0]), "the model goes on from the trained prompt"
            text = backend.tokenizer.decode(target_ids, skip_special_tokens=True)
            assert text == example.answer == fields["target_delimiter"] + row["choices"][row["answer"]]
        else:
            right = mine[row["answer"]]
            ((context, continuation),) = backend.encode_pairs([right.args])
            assert [*given_ids] == context
            assert [*target_ids] == [*continuation, end]
            likelihoods = [(0.0 if instance is right else -1.0, False) for instance in mine]
            assert task.process_results(doc, likelihoods)["acc"] == 1.0
        assert target_ids[-1] == end
