"""What can be known of a bench's tasks before anything is scored: that every document has an answer, and a score."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from itertools import islice
from typing import Any

from lm_eval.api.metrics import mean

from ttt.spec import Bench, SpecError, nearest
from ttt.tasks.answerable import (
    Labels,
    add_document,
    check_shot,
    naming,
    never_first,
    read_numbers_as_texts,
    scores_by_lm_eval,
    task_name,
)
from ttt.tasks.labels import read_labels_as_indices
from ttt.tasks.sandboxed import SandboxedTask
from ttt.tasks.shots import Shots

SCORES = {
    "multiple_choice": (
        *("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"),
        *("f1", "mcc", "brier_score", "likelihood"),
    ),
    "loglikelihood": ("acc", "perplexity"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
}
"""What lm-eval computes for each type of output, whatever else a task's `metric_list` names."""
BLANK = {"doc_to_text": "", "doc_to_target": "", "doc_to_choice": None}
"""Fields of a task that lm-eval tries on its first document."""
SHARES_OF_RIGHT = ("acc", "acc_norm", "acc_bytes")


def check_tasks(tasks: Mapping[str, Any], bench: Bench) -> list[str]:
    """Refuse what cannot be scored as it is asked; returns warnings of what may be meant otherwise.

    Raises SpecError that names the task, and the document where it is about one.
    """
    named: dict[str, str] = {}
    for name, task in tasks.items():
        if task_name(task) in named:
            raise SpecError(
                f"bench.tasks: '{task_name(task)}' is in '{bench.name}' twice: {named[task_name(task)]}, {name}"
            )
        named[task_name(task)] = name
        _check_possible(task)
    _check_metric(list(tasks.values()), bench)
    labels = {task_name(task): check_documents(task, bench) for task in tasks.values()}
    for task in tasks.values():
        _try_metrics(task, bench)
    said = [*_said_of_shots(tasks, bench), *_said_of_labels(labels, bench)]
    return [*said, *_said_of_inputs(tasks, bench), *_said_of_files(tasks, bench)]


def _said_of_inputs(tasks: Mapping[str, Any], bench: Bench) -> list[str]:
    """Of the bench's own tasks that lm-eval takes for WinoGrande's form, since their template first prints a number."""
    own = {
        fields["task"] for fields in bench.tasks if isinstance(fields, dict) and "{" in str(fields.get("doc_to_text"))
    }
    names = [task_name(task) for task in tasks.values() if getattr(task, "multiple_input", 0)]
    return [
        f"task '{name}': its texts are numbers, so its choices are the prompts, and the number says which is right; if "
        "the numbers are the questions, name their column without brackets (doc_to_text: question)"
        for name in names
        if name in own
    ]


def _said_of_files(tasks: Mapping[str, Any], bench: Bench) -> list[str]:
    """Of the bench's local files that none of its tasks reads."""
    fields = ("training_split", "validation_split", "test_split", "fewshot_split")
    read = {getattr(task.config, field, None) for task in tasks.values() for field in fields}
    read |= {task.fewshot_cfg.split for task in tasks.values() if hasattr(task, "fewshot_cfg")}
    return [
        f"bench.files.{split}: no task of '{bench.name}' has this split ({', '.join(fields)}), so the file is not read"
        for split in bench.files
        if split not in read
    ]


def check_documents(task: Any, bench: Bench) -> Labels:
    """Look at each document that will be scored, and at what may be its shots.

    Of local files these are all few-shot documents, of the hub's, which nobody here can mend, those that are drawn.
    """
    choices = task.config.doc_to_choice
    if isinstance(choices, list) and len({str(choice) for choice in choices}) < len(choices):
        raise SpecError(f"bench.tasks: task '{task_name(task)}' has a choice twice: doc_to_choice: {choices}")
    docs = list(islice(task.eval_docs, bench.limit))
    read_numbers_as_texts(task, docs)
    n_shots = task.get_config("num_fewshot") or 0
    shots = task.sampler if n_shots and isinstance(getattr(task, "sampler", None), Shots) else None
    places = {id(doc): place for place, doc in enumerate(shots.df)} if shots else {}
    labels, good = Labels(), set()

    def check(shot: Any) -> None:
        if id(shot) not in good:
            with naming(bench, task, "few-shot document", places[id(shot)], shot):
                check_shot(task, shot)
            good.add(id(shot))

    for shot in shots.df if shots and bench.files else ():
        check(shot)
    for number, doc in enumerate(docs):
        with naming(bench, task, "document", number, doc):
            add_document(labels, task, number, doc)
            drawn = shots.of(doc, n_shots) if shots else []
        if shots and len(drawn) < n_shots:
            raise SpecError(
                f"bench.num_fewshot: {n_shots} shots asked of task '{task_name(task)}', but only {len(drawn)} of its "
                f"{len(shots.df)} few-shot documents ask something else than document {number} (from 0)"
            )
        for shot in drawn:
            check(shot)
    return labels


def fault_of_first(bench: Bench, data: Mapping[str, Any]) -> SpecError | None:
    """What is wrong with the first document of an inline task that lm-eval could not make; None if something else is.

    lm-eval tries a task's first document while it makes the task, and says no more than "list index out of range".
    Made of blank fields, the task lets itself be looked at. `data` are the fields that name the bench's local files.
    """
    for fields in bench.tasks:
        if isinstance(fields, str) or "output_type" not in fields:
            continue
        try:
            task = SandboxedTask(config={**copy.deepcopy(fields), **copy.deepcopy(data), **BLANK})
        except Exception:  # it is not its first document's questions and answers that fail
            continue
        for name in BLANK:
            task.set_config(key=name, value=fields.get(name))
        doc = task.task_docs[0]
        try:
            with naming(bench, task, "document", 0, doc):
                if isinstance(task.doc_to_text(doc), int):
                    task.multiple_input = 1
                if isinstance(target := task.doc_to_target(doc), list):
                    task.multiple_target = len(target)
                read_labels_as_indices(task, bench)
                add_document(labels := Labels(), task, 0, doc)
        except SpecError as fault:
            return fault
        if labels.empty:
            return SpecError(
                f"bench '{bench.name}': an option of document 0 of task '{task_name(task)}' is an empty text, "
                "which lm-eval does not take in a first document (doc_to_choice)"
            )
    return None


def _check_possible(task: Any) -> None:
    for flag, what in (
        ("UNSAFE_CODE", "runs code that the model writes"),
        ("MULTIMODAL", "asks about images or sound"),
    ):
        if getattr(task, flag, False):
            raise SpecError(f"bench.tasks: task '{task_name(task)}' {what}, which ttt does not do")
    if isinstance(task.config.process_results, str):
        raise SpecError(
            f"bench.tasks: task '{task_name(task)}': process_results: {task.config.process_results!r} is not a function"
        )


def _check_metric(tasks: list[Any], bench: Bench) -> None:
    metric, _, extraction = bench.metric.partition(",")
    by_task = {task_name(task): _scores(task, metric) for task in tasks}
    without = [name for name, scores in by_task.items() if metric not in scores]
    if len(without) == len(by_task):
        all_scores = dict.fromkeys(score for scores in by_task.values() for score in scores)
        raise SpecError(
            f"bench.metric: {bench.metric!r} is none of the metrics of '{bench.name}': {', '.join(all_scores)}"
        )
    if without:
        raise SpecError(
            f"bench.metric: {bench.metric!r} would score a part of '{bench.name}' alone. Without {metric!r} are: "
            + "; ".join(f"task '{name}', which has {', '.join(by_task[name])}" for name in without[:8])
        )
    for task in tasks:
        filters = [entry["name"] for entry in task.config.filter_list or [{"name": "none"}]]
        if extraction not in filters:
            raise SpecError(
                f"bench.metric: {bench.metric!r}: task '{task_name(task)}' has no filter {extraction!r}; "
                f"it has: {nearest(extraction, filters)}"
            )
    _check_direction(tasks, bench, metric)


def _check_direction(tasks: list[Any], bench: Bench, metric: str) -> None:
    """What a bench file does not say is as the tasks have it; what it says must not contradict them."""
    higher = {task_name(task): task.higher_is_better().get(metric) for task in tasks}
    said = {name: value for name, value in higher.items() if isinstance(value, bool)}
    if "higher_is_better" in bench.model_fields_set:
        said = {"the bench": bench.higher_is_better, **said}
    if len(set(said.values())) > 1:
        raise SpecError(
            f"bench.higher_is_better: whether a higher {metric!r} is better is said differently: "
            + ", ".join(f"{name}: {str(value).lower()}" for name, value in list(said.items())[:8])
        )


def _scores(task: Any, metric: str) -> list[str]:
    """The metrics that the task gives. One that it does not declare may still be among what its code returns."""
    declared = list(task.aggregation())
    own_code = not scores_by_lm_eval(task)
    if not own_code and task.OUTPUT_TYPE in SCORES:
        return [name for name in declared if name in SCORES[task.OUTPUT_TYPE]]
    if metric in declared:
        return declared
    doc = next(iter(task.eval_docs))
    try:
        return list(dict.fromkeys([*declared, *task.process_results(doc, _made_up(task, doc, 0))]))
    except Exception:  # of an answer that no model gave, a task's own code may say nothing
        return [*declared, metric] if own_code else declared


def _try_metrics(task: Any, bench: Bench) -> None:
    """Compute and aggregate the task's metrics of made-up answers: some suit neither its answers nor its choices.

    lm-eval computes all that a task declares, and aggregates when everything is scored. A task's own code may fail on
    answers that no model gave, so nothing is concluded from its faults.
    """
    own_code = not scores_by_lm_eval(task)
    docs = list(islice(task.eval_docs, bench.limit))
    if own_code or task.OUTPUT_TYPE != "multiple_choice":
        docs = docs[:1]
    metric, aggregation = bench.metric.split(",")[0], task.aggregation()
    values: dict[str, list[Any]] = {}
    try:
        with warnings.catch_warnings(action="ignore"):  # of statistics that one document does not have
            for number, doc in enumerate(docs):
                for metric, value in task.process_results(doc, _made_up(task, doc, number)).items():
                    values.setdefault(metric, []).append(value)
            for metric, of_all in values.items():
                float(aggregation.get(metric, mean)(of_all))
    except Exception as error:  # whatever a metric makes of values that it is not for
        if own_code:
            return
        field = "bench.metric" if metric == bench.metric.split(",")[0] else f"bench '{bench.name}', metric_list"
        raise SpecError(
            f"{field}: {metric!r} cannot be computed of what task '{task_name(task)}' "
            f"{'generates' if task.OUTPUT_TYPE == 'generate_until' else 'answers'}: {type(error).__name__}: {error}"
        ) from error


def _made_up(task: Any, doc: Any, number: int) -> list[Any]:
    """Answers of a model that takes the first choice of the first document, the second of the second, and so on."""
    if task.OUTPUT_TYPE == "generate_until":
        return ["0"]
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return [-1.0]
    n = len(task.doc_to_choice(doc)) if task.OUTPUT_TYPE == "multiple_choice" else 1
    answers = [(-1.0, True) if i == number % n else (-2.0, False) for i in range(n)]
    return answers * 2 if "acc_mutual_info" in task.aggregation() else answers


def _said_of_shots(tasks: Mapping[str, Any], bench: Bench) -> list[str]:
    other = [task_name(t) for t in tasks.values() if (t.get_config("num_fewshot") or 0) != bench.num_fewshot]
    if not other:
        return []
    rest = f" and {len(other) - 5} more" if len(other) > 5 else ""
    return [
        f"{bench.num_fewshot} shots asked (bench.num_fewshot), 0 given to {', '.join(other[:5])}{rest}, "
        "asked without shots by definition"
    ]


def _said_of_labels(labels: Mapping[str, Labels], bench: Bench) -> list[str]:
    said = []
    for name in never_first(labels):
        numbers = sorted(labels[name].indices)
        said.append(
            f"task '{name}': the labels of {labels[name].n_documents:,} documents lie between {numbers[0]} and "
            f"{numbers[-1]}, and none is 0, the first choice: do they count from 1?"
        )
    for name, of_task in labels.items():
        if of_task.hidden:
            said.append(
                f"task '{name}': {len(of_task.hidden):,} documents, first {of_task.hidden[0]}, have a choice with the "
                "right one's text before it, and are never answered right"
            )
        if of_task.empty:
            said.append(
                f"task '{name}': {len(of_task.empty):,} documents, first {of_task.empty[0]}, have an empty choice"
            )
    numbers = sorted({n for of_task in labels.values() for n in of_task.n_choices})
    plain = numbers and bench.metric.split(",")[0] in SHARES_OF_RIGHT and not any(f.many for f in labels.values())
    if plain and not 1 / numbers[-1] - 0.02 <= bench.chance <= 1 / numbers[0] + 0.02:
        choices = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
        said.append(f"bench.chance: {bench.chance:g}, but the questions of '{bench.name}' have {choices} choices")
    return said
