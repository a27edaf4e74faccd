"""Benches of strangers: their templates, metrics and tasks run nothing and read nothing that is not theirs."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from lm_eval.utils import apply_template

from tests.conftest import write_jsonl
from ttt.spec import Bench, SpecError, TaskDataset
from ttt.tasks.bench import load_tasks
from ttt.tasks.task_data import load_task_data
from ttt.tasks.templates import render_in_sandbox, template

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


def test_lm_evals_own_rendering_is_in_the_sandbox() -> None:
    render_in_sandbox()
    assert apply_template("{{question|regex_replace('q', 'r')}}{{choices[1]}}", ROW) == "rx"
    with pytest.raises(Exception, match="unsafe"):
        apply_template("{{ question.__class__ }}", ROW)
    assert template("{{question}}") is template("{{question}}"), "compiled once"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"metric_list": [{"metric": "HERE"}]}, "is none of lm-eval's metrics: "),
        ({"metric_list": [{"metric": "someone/metric"}]}, "bench.trust_remote_code=true allows"),
        ({"metric_list": [{"metric": "acc", "hf_evaluate": True}]}, "bench.trust_remote_code=true allows"),
        ({"metric_list": ["acc"]}, "is none of lm-eval's metrics"),
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
        ({"fewshot_config": {"samples": "utils.samples"}}, "is no list of documents"),
        ({"fewshot_config": {"process_docs": "utils.samples"}}, "would be code"),
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
