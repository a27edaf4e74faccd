"""Benches of strangers: their templates, metrics and tasks run nothing and read nothing that is not theirs."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lm_eval.utils
import pytest
from lm_eval.api.registry import get_metric
from lm_eval.utils import apply_template

from tests.conftest import write_jsonl
from ttt.spec import Bench, SpecError, TaskDataset
from ttt.tasks.bench import load_tasks
from ttt.tasks.index import known_tasks
from ttt.tasks.named import check_named
from ttt.tasks.remote_metrics import LOAD, check_none_refused, guard_metrics
from ttt.tasks.task_data import load_task_data
from ttt.tasks.templates import template

ESCAPES = [
    "{{{{ cycler.__init__.__globals__.os.system('touch {0}') }}}}",
    "{{{{ lipsum.__globals__['os'].popen('touch {0}').read() }}}}",
    "{{{{ self.__init__.__globals__.__builtins__.open('{0}', 'w') }}}}",
    "{{{{ ''.__class__.__mro__[1].__subclasses__() | map(attribute='__init__') | list }}}}",
    "{{% for c in [].__class__.__base__.__subclasses__() %}}{{{{ c.__init__.__globals__ }}}}{{% endfor %}}",
    "{{{{ '%s'.__mod__.__class__ }}}}",
    "{{{{ ('{{0.__class__.__init__.__globals__}}').format(cycler) }}}}",
    "{{{{ question|attr('__class__') }}}}",
    "{{% set x = [] %}}{{% if x.append(1) %}}{{% endif %}}{{{{ choices.append(1) }}}}",
    "{{% include '/etc/passwd' %}}",
    "{{% import '/etc/passwd' as x %}}{{{{ x }}}}",
]
ROW = {"question": "q", "choices": ["w", "x"], "answer": 0}


def bench(folder: Path, task: dict[str, Any], **fields: Any) -> Bench:
    file = write_jsonl(folder / "rows.jsonl", [ROW])
    task = {
        **{"task": "t", "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "{{question}}"},
        **{"doc_to_choice": "{{choices}}", "doc_to_target": "answer"},
        **task,
    }
    common = {"name": "b", "version": 1, "format": "cloze", "chance": 0.5, "metric": "acc,none"}
    return Bench(**common, files={"test": str(file)}, tasks=[task], **fields)  # type: ignore[arg-type]


def test_an_honest_bench_loads(tmp_path: Path) -> None:
    assert load_tasks(bench(tmp_path, {}))["tasks"]


@pytest.mark.parametrize("field", ["doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix"])
@pytest.mark.parametrize("text", ESCAPES)
def test_a_task_s_templates_run_nothing(text: str, field: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    hostile = bench(tmp_path, {field: text.format(marker)})
    with pytest.raises(SpecError, match=r"a template fails on the first document|cannot be asked"):
        load_tasks(hostile)
    assert not marker.exists()


@pytest.mark.parametrize("field", ["prompt", "answer"])
@pytest.mark.parametrize("text", ESCAPES)
def test_task_data_s_templates_run_nothing(text: str, field: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    file = write_jsonl(tmp_path / "train.jsonl", [ROW])
    source = TaskDataset(**{"name": "d", "files": str(file), "prompt": "q", "answer": "a", field: text.format(marker)})
    with pytest.raises(SpecError, match=r"its template fails on row 1 of .*train\.jsonl"):
        load_task_data(bench(tmp_path, {}, task_data=(source,)))
    assert not marker.exists()


def test_lm_evals_own_environment_is_left_alone(tmp_path: Path) -> None:
    """Tasks render in the sandbox, and what else of lm-eval renders in this process does so as it always did."""
    before = lm_eval.utils.env
    (task,) = load_tasks(bench(tmp_path, {"doc_to_text": "{{question|regex_replace('q', 'r')}}{{choices[1]}}"}))[
        "tasks"
    ].values()
    assert task.doc_to_text(ROW) == "rx"
    with pytest.raises(Exception, match="unsafe"):
        task.doc_to_text(ROW, "{{ question.__class__ }}")
    assert lm_eval.utils.env is before
    assert apply_template("{{ question.__class__.__name__ }}", ROW) == "str"
    assert template("{{question}}") is template("{{question}}"), "compiled once"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"metric_list": [{"metric": "HERE"}]}, "is none of lm-eval's metrics: "),
        ({"metric_list": [{"metric": "someone/metric"}]}, "bench.trust_remote_code=true allows"),
        ({"metric_list": [{"metric": "acc", "hf_evaluate": True}]}, "bench.trust_remote_code=true allows"),
        ({"metric_list": ["acc"]}, "metric_list: 'acc' is not fields with values"),
        ({"metric_list": [{"metric": "acc", "aggregation": "means"}]}, "none of lm-eval's aggregations: mean"),
        ({"filter_list": [{"name": "f", "filter": [{"function": "regx"}]}]}, "none of lm-eval's filters: regex"),
        ({"class": "os.system"}, "'class' is none of the fields"),
        ({"include": "HERE/evil.yaml"}, "'include' is none of the fields"),
        ({"use_prompt": "HERE/evil.yaml:x"}, "'use_prompt' is none of the fields"),
        ({"custom_dataset": "os.system"}, "'custom_dataset' is none of the fields"),
        ({"unsafe_code": True}, "'unsafe_code' is none of the fields"),
        ({"process_docs": "utils.process"}, "'utils.process' would be code; it can only be null"),
        ({"process_results": "utils.process"}, "'utils.process' would be code; it can only be null"),
        ({"dataset_path": "pandas"}, "'pandas' is no hub id"),
        ({"dataset_path": "json"}, "'json' is no hub id (org/name); local files are given by bench.files"),
        ({"dataset_path": "HERE"}, "is no hub id"),
        ({"dataset_path": "../.."}, "is no hub id"),
        ({"dataset_path": "https://example.org/x"}, "is no hub id"),
        ({"dataset_path": "a/b", "dataset_kwargs": {"data_files": {"test": "/etc/passwd"}}}, "leads out of the data"),
        ({"dataset_path": "a/b", "dataset_kwargs": {"data_files": ["https://e.org/x"]}}, "leads out of the data"),
        ({"dataset_path": "a/b", "dataset_kwargs": {"data_dir": "../x"}}, "leads out of the data"),
        ({"dataset_path": "a/b", "dataset_kwargs": {"trust_remote_code": True}}, "data sets run no code"),
        ({"fewshot_config": {"samples": "utils.samples"}}, "samples: 'utils.samples' is not a list or null"),
        ({"fewshot_config": {"process_docs": "utils.samples"}}, "would be code"),
        ({"metadata": {"tokenizer": {"path": "x"}}}, "metadata.tokenizer: {'path': 'x'} is no plain fact"),
        ({"metadata": None}, "metadata: None is not fields with values"),
        ({"filter_list": ["x"]}, "filter_list: 'x' is not fields with values"),
        ({"filter_list": {"a": 1}}, "filter_list: {'a': 1} is not a list or null"),
        ({"filter_list": [{"name": "f", "filter": ["regex"]}]}, "filter_list.filter: 'regex' is not fields with"),
        ({"filter_list": [{"name": "f"}]}, "filter_list: {'name': 'f'} has no `filter`"),
        ({"metric_list": [{"metric": ["acc"]}]}, "metric_list.metric: ['acc'] is not a text"),
        ({"metric_list": [{"aggregation": "mean"}]}, "has no `metric`"),
        ({"metric_list": [{"metric": "acc", "aggregation": ["mean"]}]}, "metric_list.aggregation: ['mean'] is not a"),
        ({"metric_list": [{"metric": "acc", "higher_is_better": "no"}]}, "higher_is_better: 'no' is not true or false"),
        ({"fewshot_config": "x"}, "fewshot_config: 'x' is not fields with values or null"),
        ({"fewshot_config": {"sample": []}}, "fewshot_config: 'sample' is none of the fields: samples"),
        ({"fewshot_config": {"samples": ["x"]}}, "fewshot_config.samples: 'x' is not fields with values"),
        ({"target_delimiter": None}, "target_delimiter: None is not a text"),
        ({"target_delimiter": 5}, "target_delimiter: 5 is not a text"),
        ({"description": ["x"]}, "description: ['x'] is not a text or null"),
        ({"test_split": 3}, "test_split: 3 is not a text or null"),
        ({"generation_kwargs": ["until"]}, "generation_kwargs: ['until'] is not fields with values or null"),
        ({"repeats": 0}, "repeats: 0 is too small"),
        ({"repeats": "x"}, "repeats: 'x' is not a whole number"),
        ({"repeats": True}, "repeats: True is not a whole number"),
        ({"num_fewshot": -1}, "num_fewshot: -1 is too small"),
    ],
)
def test_a_task_names_data_and_no_code(task: dict[str, Any], expected: str, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (tmp_path / f"{tmp_path.name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (tmp_path / "evil.yaml").write_text("process_docs: !function evil.process\n")
    given = json.loads(json.dumps(task).replace("HERE", str(tmp_path)))
    with pytest.raises(SpecError) as refused:
        load_tasks(bench(tmp_path, given))
    assert expected in str(refused.value)
    assert "bench.tasks 't'" in str(refused.value)
    assert not (tmp_path / "ran").exists()


def test_a_task_s_name_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text("task: evil\nprocess_docs: !function evil.process\n")
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    hostile = bench(tmp_path, {}).model_copy(update={"tasks": (str(tmp_path / "evil.yaml"),)})
    with pytest.raises(SpecError, match="lm-eval has no task"):
        load_tasks(hostile)
    assert not (tmp_path / "ran").exists()


class Evil:
    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> Any:
        return open, (str(self.marker), "w")


@pytest.mark.parametrize("name", ["a.pkl", "a.pt", "a.parquet", "a.jsonl", "a.jsonl.gz"])
def test_a_pickle_is_no_data(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    hostile = bench(tmp_path, {}).model_copy(update={"files": {"test": str(file)}})
    with pytest.raises(SpecError, match=r"bench\.files\.test: "):
        load_tasks(hostile)
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of a command."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def named(*tasks: Any, **fields: Any) -> Bench:
    common = {"name": "b", "version": 1, "format": "generate", "chance": 0.0, "metric": "acc,none"}
    return Bench(**{**common, "tasks": tasks, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"metadata": {"tokenizer": "HERE", "version": 1}}, "metadata.tokenizer would be an argument"),
        ({"metadata": {"max_seq_lengths": [4096]}}, "a bench may give it metadata.version"),
        ({"dataset_kwargs": {"tokenizer": "org/name"}}, "dataset_kwargs.tokenizer would be an argument"),
    ],
)
@pytest.mark.parametrize("task", ["niah_single_1", "ruler", "longcxt", "libra_simple_information_retrieval"])
def test_functions_that_make_data_get_no_arguments(task: str, given: dict[str, Any], expected: str) -> None:
    """RULER's load the tokenizer that they are given with its own code, libra's any data set."""
    with pytest.raises(SpecError) as refused:
        load_tasks(named({"task": task, **given}))
    assert expected in str(refused.value)


@pytest.mark.parametrize("task", ["niah_single_1", "graphwalks_128k", "squad_completion"])
def test_data_made_by_code_are_not_a_bench_s_files(task: str, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", [ROW])
    with pytest.raises(SpecError, match=r"does not read bench\.files"):
        load_tasks(named(task, files={"test": str(file)}))


@pytest.mark.parametrize("task", ["humaneval", "mbpp", "humaneval_infilling"])
def test_code_that_a_model_writes_is_refused_before_any_runs(task: str, elsewhere: Path) -> None:
    metric_that_writes(elsewhere, "code_eval")
    with pytest.raises(SpecError, match="runs code that the model writes"):
        load_tasks(named(task))
    assert not (elsewhere / "ran").exists()


def metric_that_writes(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    (folder / name / f"{name}.py").write_text(
        f"import evaluate\nopen({str(folder / 'ran')!r}, 'w')\nclass Mine(evaluate.Metric): pass\n"
    )


@pytest.mark.parametrize(
    ("task", "name", "metric"),
    [
        ("meqsum", "bleu", "bleu"),  # when its module is imported
        ("french_bench_orangesum_abstract", "rouge", "rouge1"),  # when its scores are aggregated
    ],
)
def test_a_metric_of_the_current_folder_does_not_run(
    task: str, name: str, metric: str, elsewhere: Path, tmp_path: Path
) -> None:
    metric_that_writes(elsewhere, name)
    file = write_jsonl(tmp_path / "rows.jsonl", [{"CHQ": "q", "Summary": "s", "text": "t", "summary": "s"}] * 2)
    files = {"train": str(file), "validation": str(file), "test": str(file)}
    with pytest.raises(SpecError, match=rf"the metric '{name}' by `evaluate`.*bench\.trust_remote_code=true"):
        load_tasks(named(task, files=files, metric=f"{metric},none"))
    assert not (elsewhere / "ran").exists()


def test_a_swallowed_refusal_is_remembered(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric_that_writes(elsewhere, "mine")
    guard_metrics(allowed=False)
    assert get_metric("mine") is None, "lm-eval goes on without it"
    with pytest.raises(SpecError, match="the metric 'mine'"):
        check_none_refused("b")
    assert not (elsewhere / "ran").exists()
    monkeypatch.setattr(LOAD, "load", lambda name: SimpleNamespace(compute=name))
    guard_metrics(allowed=True)
    assert get_metric("mine") == "mine"
    check_none_refused("b")


@pytest.mark.parametrize(
    ("task", "path"), [("mmlu_anatomy", "cais/mmlu"), ("gsm8k", "openai/gsm8k"), ("squad_completion", "hazyresearch")]
)
def test_a_folder_of_the_hub_id_s_name_is_not_read(task: str, path: str, elsewhere: Path) -> None:
    folder = elsewhere / ("hazyresearch/based-squad" if path == "hazyresearch" else path)
    folder.mkdir(parents=True)
    write_jsonl(folder / "validation.jsonl", [{"text": "t", "value": "v"}])
    with pytest.raises(SpecError, match=rf"'{path}.*' is no hub id here: .* would be read instead"):
        load_tasks(named(task))


@pytest.mark.parametrize("hub", ["/etc", "../elsewhere", ".", "json", "pandas", "mine", "org/mine", "https://e.org/x"])
def test_task_data_s_hub_id_is_no_folder(hub: str, elsewhere: Path) -> None:
    for name in ("mine", "org/mine"):
        (elsewhere / name).mkdir(parents=True)
        write_jsonl(elsewhere / name / "train.jsonl", [{"prompt": "secret", "answer": " x"}])
    source = TaskDataset(name="d", hub=hub)
    with pytest.raises(SpecError, match=r"bench\.task_data 'd'\.hub: .* is no hub id"):
        load_task_data(named("gsm8k", task_data=(source,)))


def test_a_reader_of_files_gets_no_other_files(elsewhere: Path) -> None:
    write_jsonl(elsewhere / "secret.jsonl", [ROW])
    with pytest.raises(SpecError, match=r"dataset_kwargs\.data_files could name others than its own"):
        load_tasks(named({"task": "arithmetic_1dc", "dataset_kwargs": {"data_files": {"test": "secret.jsonl"}}}))


def test_a_task_of_a_class_gets_no_templates_from_a_bench() -> None:
    """Its class renders outside the sandbox, so that only lm-eval's own templates may reach it."""
    given = {"task": "squadv2", "doc_to_text": "{{ question.__class__ }}"}
    fields = {"name": "b", "version": 1, "format": "generate", "chance": 0.0, "metric": "exact,none"}
    with pytest.raises(SpecError, match=r"'squadv2' is made by a class .* may give it doc_to_text only with bench"):
        check_named(Bench(**fields, tasks=(given,)), known_tasks())  # type: ignore[arg-type]
    check_named(Bench(**fields, tasks=("squadv2",)), known_tasks())  # type: ignore[arg-type]
    check_named(Bench(**fields, tasks=(given,), trust_remote_code=True), known_tasks())  # type: ignore[arg-type]
