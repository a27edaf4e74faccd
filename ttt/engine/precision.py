"""Lightning trainers and precision, as the trainer config asks for them."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch

from ttt.engine.distributed import local_rank
from ttt.spec import Bench, SpecError, Trainer

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from lightning_fabric import Fabric

for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.accelerators.cuda"):
    logging.getLogger(name).setLevel(logging.WARNING)  # "GPU available: ...", once a trainer
warnings.filterwarnings("ignore", message=".*does not have many workers.*")
warnings.filterwarnings("ignore", message=".*LeafSpec.*")


def precision(trainer: Trainer) -> str:
    """ "32" or "bf16": what `auto` means on this machine. bf16 where the hardware multiplies it faster than float32."""
    if trainer.precision != "auto":
        return trainer.precision
    if on_gpu(trainer):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "32"


def arithmetic(trainer: Trainer, bench: Bench) -> str:
    """What of the trainer may change the bench's scores: the precision, and what generates if it is not torch.

    Raises SpecError for an accelerator that this machine does not have.
    """
    there = {"gpu": torch.accelerator.is_available, "cuda": torch.cuda.is_available, "mps": torch.mps.is_available}
    if trainer.accelerator in there and not there[trainer.accelerator]():
        raise SpecError(f"trainer.accelerator: there is no {trainer.accelerator!r} here; 'auto' takes what there is")
    by_other = bench.format == "generate" and trainer.generator != "torch"
    return precision(trainer) + (f", {trainer.generator}" if by_other else "")


def on_gpu(trainer: Trainer) -> bool:
    return trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


def eval_tokens(trainer: Trainer) -> int:
    """Tokens of a batch when scoring. A CPU is a third faster with batches whose activations its caches hold."""
    return trainer.eval_tokens or (8192 if on_gpu(trainer) else 2048)


def lightning_trainer(trainer: Trainer, **options: Any) -> pl.Trainer:
    """A Lightning trainer that keeps no logs of its own; `options` are Lightning's."""
    import pytorch_lightning as pl  # a second to import, and `precision` is asked for where nothing is trained

    defaults: dict[str, Any] = {
        **_machine(trainer),
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": trainer.progress,
        "inference_mode": not trainer.shard,  # shards that were brought together in it could not be trained
    }
    return pl.Trainer(**{**defaults, **options})


def make_fabric(trainer: Trainer) -> Fabric:
    """Lightning's Fabric: the device and the precision of a loop of our own."""
    from lightning_fabric import Fabric

    return Fabric(**_machine(trainer))


def _machine(trainer: Trainer) -> dict[str, Any]:
    if trainer.threads:
        torch.set_num_threads(trainer.threads)
    return {
        "accelerator": trainer.accelerator,
        "devices": 1 if trainer.accelerator == "cpu" or not torch.cuda.is_available() else [local_rank()],
        "precision": {"32": "32-true", "bf16": "bf16-mixed"}[precision(trainer)],
    }
