"""Every field of a request is in a key, or on the list of those that cannot change a score, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_jsonl
from ttt.cell.key import adjusted_key, cell_key
from ttt.engine.precision import arithmetic
from ttt.files.rows import DataFiles
from ttt.spec import Adjustment, Bench, Cell, Lora, Model, Spec, TaskDataset, Tracking, Trainer
from ttt.tasks.task_data import Example

IN_SOURCE = "counts by what is in the files (`model_source`)"
OF_COMPARISONS = "a fact that comparisons split by; no number is computed from it here"
BY_RATE = "counts by the learning rate that it leads to"
ROUNDING = "may change the rounding of a sum at most"
BY_COMMIT = "counts by the commit that it is on the hub"
BY_CONTENT = "counts by what is in the files"
NOT_IN_A_KEY: dict[type[Spec], dict[str, str]] = {
    Cell: {"suite": "a cell of another suite has a run of its own, with the same scores"},
    Model: {
        **dict.fromkeys(("hub", "revision", "path", "gguf_file", "version"), IN_SOURCE),
        **dict.fromkeys(("family", "n_tokens", "trained", "kind", "languages", "facts"), OF_COMPARISONS),
        **dict.fromkeys(("n_params", "low_learning_rate"), BY_RATE),
    },
    Bench: {
        "revisions": BY_COMMIT,
        "files": BY_CONTENT,
        "paper_score": "says by which rule results of others are averaged when they are compared",
    },
    TaskDataset: {
        "name": "what the data are called",
        "part_of": "what the data are called",
        "revision": BY_COMMIT,
        "files": BY_CONTENT,
    },
    Adjustment: {"evaluate_at": "scores on the way; the last are the same, and a cell that lacks some is not done"},
    Lora: {},
    Trainer: {
        **dict.fromkeys(("accelerator", "threads", "eval_tokens", "gradient_checkpointing", "shard"), ROUNDING),
        "precision": "counts as what it means on this machine (`arithmetic`)",
        "generator": "counts where something is generated (`arithmetic`)",
        "checkpoint_minutes": "a training that is gone on with takes the steps that it would have taken",
        "progress": "what is shown",
    },
    Tracking: dict.fromkeys(Tracking.model_fields, "where results are kept, and what is kept beside them"),
}  # fmt: skip
"""By spec: the fields that are in no key, and why they need not be."""
OTHER: dict[type[Spec], dict[str, Any]] = {
    Cell: {"seed": 1},
    Model: {"name": "other", "dtype": "bfloat16", "lora_targets": ("q_proj",), "trust_remote_code": True},
    Bench: {
        "name": "other", "version": 2, "format": "cloze", "chance": 0.5, "metric": "acc_norm,none",
        "higher_is_better": False, "num_fewshot": 1, "fewshot_seed": 1, "tasks": ("other",), "leak": "report",
        "task_data_seed": 1, "limit": 3, "files_by": "subject", "chat_template": True, "truncation": "refuse",
        "trust_remote_code": True,
    },
    TaskDataset: {
        "hub": "o/d", "config": "other", "split": "test", "prompt": "{{q}}", "answer": "{{a}}", "max_characters": 9,
    },
    Adjustment: {
        "name": "other", "method": "full", "epochs": 2.0, "examples": 3, "batch_size": 2, "max_tokens": 7,
        "learning_rate": 1.0, "low_learning_rate": 1.0, "low_from_params": 1, "betas": (0.1, 0.2), "eps": 0.5,
        "weight_decay": 0.5, "clip": 2.0, "schedule": "constant", "warmup": 0.5, "final_rate": 0.5,
    },
    Lora: {"r": 1, "alpha": 1, "dropout": 0.5},
    Trainer: {"train_tokens": 8},
    Tracking: {},
}  # fmt: skip
"""By spec: another value of each of its other fields."""
FIELDS = [(spec, field) for spec in OTHER for field in spec.model_fields]
STRUCTURE = {Cell: {"model", "bench", "adjustment"}, Bench: {"task_data"}, Adjustment: {"lora"}}
"""Fields that hold another spec, whose fields are looked at."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_jsonl(tmp_path_factory.mktemp("data") / "train.jsonl", [{"prompt": "a", "answer": " b"}])


def keys(data: Path, changed: type[Spec] | None = None, field: str = "", value: Any = None) -> tuple[str, str]:
    """The keys of a cell and of its adjusted model, one field of its request having another value."""

    def made(spec: type[Spec], **fields: Any) -> Any:
        return spec(**(fields | ({field: value} if spec is changed else {})))

    model = made(Model, name="m", family="f", hub="o/m", n_params=10, n_tokens=10, trained="2024-01")
    source = made(TaskDataset, name="t", files=str(data))
    bench = made(
        Bench, name="b", version=1, format="multiple_choice", chance=0.25, metric="acc,none", tasks=("t",),
        task_data=(source,),
    )  # fmt: skip
    adjustment = made(Adjustment, name="a", method="lora", epochs=1.0, lora=made(Lora))
    trainer = made(Trainer, precision="32")
    values = {"model": model, "bench": bench, "adjustment": adjustment, "seed": 0} | (
        {field: value} if changed is Cell else {}
    )
    cell = Cell.model_construct(suite="s", **values)  # a model in bfloat16 is refused before it has a key
    precision = arithmetic(trainer, bench)
    examples = [Example("a", " b")]
    return (
        cell_key(cell, "source", precision, DataFiles(), trainer.train_tokens),
        adjusted_key(cell, "source", precision, examples, trainer.train_tokens),
    )


@pytest.mark.parametrize(("spec", "field"), FIELDS, ids=lambda of: of if isinstance(of, str) else of.__name__)
def test_a_field_is_in_the_key_or_cannot_change_a_score(spec: type[Spec], field: str, data: Path) -> None:
    if field in STRUCTURE.get(spec, ()):
        return
    assert (field in OTHER[spec]) != (field in NOT_IN_A_KEY[spec]), "in a key, or a reason why not; and not both"
    if field in OTHER[spec]:
        assert keys(data, spec, field, OTHER[spec][field])[0] != keys(data)[0]
    else:
        assert NOT_IN_A_KEY[spec][field]


@pytest.mark.parametrize(
    "field", sorted(OTHER[Adjustment].keys() - {"name", "epochs", "low_learning_rate", "low_from_params"})
)
def test_what_is_trained_by_another_recipe_or_budget_is_another_model(field: str, data: Path) -> None:
    assert keys(data, Adjustment, field, OTHER[Adjustment][field])[1] != keys(data)[1]


def test_micro_batches_of_another_size_make_another_model_and_the_same_base(data: Path) -> None:
    assert keys(data, Trainer, "train_tokens", 8)[1] != keys(data)[1]
    base = Cell(
        model=Model(name="m", family="f", hub="o/m", n_params=10, n_tokens=10, trained="2024-01"),
        bench=Bench(name="b", version=1, format="cloze", chance=0.25, metric="acc,none", tasks=("t",)),
        adjustment=Adjustment(name="none", method="none"),
    )
    assert cell_key(base, "source", "32", DataFiles(), 8) == cell_key(base, "source", "32", DataFiles(), 4096)
