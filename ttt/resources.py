"""How the work is laid on the machine, and where it is kept: Trainer and Tracking, frozen and checked when made."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from ttt.faults import Spec

Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]


class Trainer(Spec):
    """How the work is laid on the machine.

    `precision`, `generator` and `train_tokens` may change a score, and are in a cell's key; what else there is may
    change the rounding of a sum at most.
    """

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    precision: Annotated[Literal["auto", "32", "bf16"], BeforeValidator(str)] = "auto"
    threads: Count | None = None
    eval_tokens: Count | None = None
    """Tokens of a batch when evaluating, padding included; by default what suits the hardware."""
    train_tokens: Count = 4096
    """Tokens of a micro-batch when adjusting, padding included. Dropout draws anew for each."""
    checkpoint_minutes: Positive = 5.0
    gradient_checkpointing: bool = False
    shard: bool = False
    """Divide the weights over the processes of a launch (FSDP), for models that do not fit one device."""
    generator: Literal["torch", "vllm"] = "torch"
    """What continues prompts greedily."""
    progress: bool = True

    @field_validator("generator")
    @classmethod
    def _is_installed(cls, generator: str) -> str:
        if generator == "vllm" and find_spec("vllm") is None:
            raise ValueError("'vllm' is not installed here (pip install -e '.[vllm]'); 'torch' always is")
        return generator


class Tracking(Spec):
    """Where runs, weights and tables are kept."""

    root: Annotated[str, StringConstraints(min_length=1)] = "mlruns"
    uri: str | None = None
    """An MLflow server or database; by default `sqlite:///<root>/mlflow.db`."""
    register_models: bool = True
    keep_weights: bool = True
    """Keep adjusted weights as an artifact, for the benches that are asked for later."""
    keep_checkpoints: bool = False
    """Keep the weights at the steps of `adjustment.evaluate_at` too, so that later benches can be scored there."""
    system_metrics: bool = False

    @model_validator(mode="after")
    def _keeps_checkpoints_with_weights(self) -> Tracking:
        if self.keep_checkpoints and not self.keep_weights:
            raise ValueError(
                "keep_checkpoints: true keeps weights on the way beside those at the end, and keep_weights=false keeps "
                "none; choose keep_weights=true, or keep_checkpoints=false"
            )
        return self

    @field_validator("root")
    @classmethod
    def _has_a_home(cls, root: str) -> str:
        try:
            Path(root).expanduser()
        except RuntimeError as error:
            raise ValueError(f"{root}: {error}") from error
        return root
