"""What a cell is made of: Model, Bench, Adjustment and Cell, frozen and checked when they are made.

Every fault of a request is found at once, and each names the field, the value and the choices (`SpecError`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from ttt.faults import Spec as Spec
from ttt.faults import SpecError as SpecError
from ttt.faults import check as check
from ttt.faults import nearest as nearest
from ttt.resources import Count as Count
from ttt.resources import Positive as Positive
from ttt.resources import Tracking as Tracking
from ttt.resources import Trainer as Trainer

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=100)]
"""A name becomes a folder's, and two of them with a dash between become a registered model's: both end at 250."""
OWN_EXPERIMENTS = ("adjusting", "benches", "ingest", "multirun", "pretrain", "versions")
"""Experiments of a suite that hold no cells, which are in `<suite>/<bench>`."""
Month = Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]


def _without_nulls(values: Any) -> Any:
    return {key: value for key, value in values.items() if value is not None} if isinstance(values, Mapping) else values


def _is_a_version(value: Any) -> Any:
    """Refuse what can be neither a number nor an alias of a registered version, in one sentence."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if value is None or is_number or (isinstance(value, str) and re.fullmatch(NAME, value)):
        return value
    raise ValueError(
        f"{value!r} is no version of a registered model: give its number, from 1 on, or one of its aliases, such as "
        "base, adjusted-mmluaux or final-gsm8k"
    )


class Model(Spec):
    """A causal language model and the facts of its pretraining."""

    name: Name
    family: Name
    hub: str | None = None
    """Hugging Face hub id, used unless `path` or `version` is given."""
    revision: str = "main"
    n_params: Count
    """N, parameters."""
    n_tokens: Count | None = None
    """D, tokens of pretraining, where it is known: fits of score against compute take it."""
    trained: Month | None = None
    """When pretraining ended, where it is known: older and newer models are told apart by it."""
    kind: Literal["base", "instruct"] = "base"
    languages: tuple[str, ...] = ("en",)
    path: str | None = None
    """A local folder in the Hugging Face layout, or the folder of `gguf_file`."""
    gguf_file: str | None = None
    version: Annotated[Count | Name | None, BeforeValidator(_is_a_version)] = None
    """Start from this version of the registered model `<model>`: its number, or one of its aliases."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Type of the weights in memory; by default float32, the only one to adjust in."""
    trust_remote_code: bool = False
    lora_targets: tuple[str, ...] | None = None
    low_learning_rate: bool = False
    """Adjust at `adjustment.low_learning_rate` whatever the size."""
    facts: Mapping[str, Any] = {}
    """Anything else that a comparison may split by."""

    @property
    def compute(self) -> float | None:
        """C = 6 N D, FLOPs of pretraining (Kaplan et al. 2020, section 2.1); None where D is not known."""
        return 6.0 * self.n_params * self.n_tokens if self.n_tokens else None

    @model_validator(mode="after")
    def _has_source(self) -> Model:
        if not (self.hub or self.path):
            raise ValueError("needs `hub` (a hub id) or `path` (a local folder)")
        return self


class TaskDataset(Spec):
    """One source of task data: rows, and the templates that make a prompt and an answer of each."""

    name: Name
    part_of: Name | None = None
    """What several datasets are called together (`gsm8kaux`)."""
    hub: str | None = None
    revision: str = "main"
    """A branch, a tag or a commit of the hub's data set; the commit that it is counts in the cell's key."""
    config: str | None = None
    split: str = "train"
    files: str | tuple[str, ...] | None = None
    """Local files (`ttt.files.rows`), used instead of `hub`."""
    prompt: str = "{{prompt}}"
    answer: str = "{{answer}}"
    """Jinja templates over a row, in lm-eval's dialect. The answer begins with the blank that separates the two."""
    max_characters: Count | None = None
    """Longer examples (prompt and answer together) are dropped and counted."""

    @model_validator(mode="after")
    def _has_source(self) -> TaskDataset:
        if not (self.hub or self.files):
            raise ValueError("needs `hub` (a dataset's hub id) or `files`")
        return self


class Bench(Spec):
    """A test task: what is asked, how it is scored, and what the adjustment trains on."""

    name: Name
    version: Count
    format: Literal["multiple_choice", "cloze", "generate"]
    chance: Annotated[float, Field(ge=0, lt=1)]
    metric: Annotated[str, StringConstraints(pattern=r"^[^,]+,[^,]+$")]
    """lm-eval's "metric,filter", such as `acc,none` or `exact_match,flexible-extract`."""
    higher_is_better: bool = True
    paper_score: Literal["task", "mean_of_entries"] = "task"
    """What the release of arXiv 2407.07890 takes for the score (`score_rule=paper`): the task's own, or the plain mean
    of all entries that lm-eval lists for it, groups and the whole included."""
    num_fewshot: Annotated[int, Field(ge=0)] = 0
    fewshot_seed: int = 1234
    tasks: Annotated[tuple[str | dict[str, Any], ...], Field(min_length=1)]
    """Names of lm-eval tasks or groups, or task definitions in lm-eval's own fields."""
    task_data: tuple[TaskDataset, ...] = ()
    leak: Literal["remove", "report", "fail"] = "remove"
    """What to do with task data that give test questions away: leave them out, train on them all the same, or stop."""
    task_data_seed: int = 42
    """Orders the pool of task data before the adjustment's own seed draws from it."""
    limit: Count | None = None
    """Only the first documents of each task."""
    files: Annotated[Mapping[str, str], BeforeValidator(_without_nulls)] = {}
    """Local files by split, read instead of the data that the tasks name; a split without a file is left out."""
    files_by: str | None = None
    """The column of `files` that holds a task's own dataset name (MMLU's subject)."""
    revisions: tuple[Annotated[str, StringConstraints(pattern=r"^[^@]+@[^@]+$")], ...] = ()
    """`org/name@revision` (a branch, a tag or a commit) of data sets of the hub that the tasks read; without one, the
    task's own or `main`. The commit that it is counts in the cell's key."""
    chat_template: bool = False
    truncation: Literal["left", "refuse"] = "left"
    """What to do with prompts longer than the context: cut them on the left as lm-eval does, or refuse to run."""
    trust_remote_code: bool = False
    """Let tasks load metrics of the hub, whose code then runs, and pass arguments to code that makes a task's data."""

    @property
    def task_data_name(self) -> str:
        """What is trained on, by name: a part of an alias of the registered model."""
        return "-".join(dict.fromkeys(dataset.part_of or dataset.name for dataset in self.task_data))

    @field_validator("name")
    @classmethod
    def _is_no_experiment_of_ours(cls, name: str) -> str:
        if name in OWN_EXPERIMENTS:
            raise ValueError(f"{name!r}: the experiment <suite>/{name} holds other runs; give the bench another name")
        return name


class Lora(Spec):
    r: Count = 16
    alpha: Count = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05


Share = Annotated[float, Field(ge=0, le=1)]


class Adjustment(Spec):
    """Fine-tuning on the task data: a budget and a recipe, the same for every model (arXiv 2407.07890, appendix B)."""

    name: Name
    method: Literal["none", "full", "lora"]
    epochs: Positive | None = None
    examples: Count | None = None
    """The budget in examples; overrides `epochs`."""
    batch_size: Count = 64
    """Examples a step."""
    max_tokens: Count = 600
    """Tokens an example, prompt and answer; longer ones lose their beginning, as in the paper's release, and are
    counted. The model's context is a limit too."""
    learning_rate: Positive = 2e-5
    low_learning_rate: Positive = 2e-6
    low_from_params: Count = 10_000_000_000
    """Models of this size and above, or with `low_learning_rate: true`, train at `low_learning_rate`."""
    betas: tuple[Share, Share] = (0.9, 0.95)
    eps: Positive = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    clip: Positive = 1.0
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Share = 0.01
    """Share of the steps."""
    final_rate: Share = 0.1
    """The cosine ends at this share of the learning rate."""
    evaluate_at: tuple[Count, ...] = ()
    """Steps after which the bench is scored on the way."""
    lora: Lora = Lora()

    @model_validator(mode="after")
    def _has_budget(self) -> Adjustment:
        if self.method != "none" and self.epochs is None and self.examples is None:
            raise ValueError("needs a budget: `epochs` or `examples`")
        return self

    def rate(self, model: Model) -> float:
        """The learning rate for a model: a rule of size, stated in the config."""
        low = model.low_learning_rate or model.n_params >= self.low_from_params
        return self.low_learning_rate if low else self.learning_rate

    def n_examples(self, n_available: int) -> int:
        """The budget in examples, given how many the task data has."""
        return self.examples or max(1, round((self.epochs or 0) * n_available))

    def refuse_stops_beyond(self, n_examples: int) -> None:
        """Raise SpecError if scores are asked for after a step that a budget of so many examples does not reach."""
        n_steps = -(-n_examples // self.batch_size)
        if beyond := sorted({step for step in self.evaluate_at if step > n_steps}):
            raise SpecError(
                f"adjustment.evaluate_at: {', '.join(map(str, beyond))}: adjusting ends at step {n_steps} "
                f"({n_examples:,} examples, {self.batch_size} a step); choose steps from 1 to {n_steps}"
            )


class Cell(Spec):
    """One (model, bench, adjustment, seed) of a suite."""

    suite: Name = "default"
    model: Model
    bench: Bench
    adjustment: Adjustment
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @property
    def label(self) -> str:
        return f"{self.model.name} {self.adjustment.name} s{self.seed}"

    @property
    def task_data_name(self) -> str:
        return self.bench.task_data_name

    @model_validator(mode="after")
    def _has_task_data(self) -> Cell:
        if self.adjustment.method != "none" and not self.bench.task_data:
            raise ValueError(
                f"bench.task_data: bench '{self.bench.name}' has no task data to adjust on; "
                "name some (task_data@bench=..., or bench.task_data=[{name: mine, files: my.jsonl}]), or use "
                "adjustment=none"
            )
        return self

    @model_validator(mode="after")
    def _can_learn(self) -> Cell:
        if self.adjustment.method != "none" and self.model.dtype not in (None, "float32"):
            raise ValueError(
                f"model.dtype: {self.model.dtype!r} holds too few digits to learn: most updates of a step are rounded "
                "away; leave model.dtype out (weights in float32, base and adjusted alike) and choose "
                "trainer.precision=bf16 to compute in bfloat16, or use adjustment=none"
            )
        return self

    def base(self) -> Cell:
        """The cell of the unadjusted model; it depends on no seed."""
        return self.model_copy(update={"adjustment": Adjustment(name="none", method="none"), "seed": 0})
