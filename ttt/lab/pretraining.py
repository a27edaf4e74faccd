"""Pretraining one model of the lab, by the loop that also adjusts; saved as an ordinary Hugging Face folder."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM
from transformers.utils import logging

from ttt.engine.batches import Tokens
from ttt.engine.load import digest
from ttt.engine.training.data import ExampleSampler
from ttt.engine.training.loop import Checkpoint, Keeping, Training
from ttt.engine.training.schedule import schedule
from ttt.files.hashing import file_digest
from ttt.lab.ladder import BATCH, LENGTH, N_HEADS, N_LAYERS, LabModel
from ttt.lab.prose import pretraining_tokens, text
from ttt.lab.store import FACTS, WEIGHTS, LabStore
from ttt.lab.tokenizer import make_tokenizer
from ttt.lab.words import END, IDS, VOCABULARY
from ttt.spec import Trainer

logging.disable_progress_bar()  # a bar a saved model would break the one over all models

# One thread: the models are too small for two, and another number of threads would make other weights.
TRAINER = Trainer(accelerator="cpu", threads=1, precision="32", progress=False)


@dataclass(frozen=True)
class Pretrained:
    """A model in its folder, complete, and what its pretraining showed. Losses are nats a token."""

    folder: Path
    digest: str
    losses: list[float]
    seconds: float
    sample: str
    """The beginning of what it read."""


def streams(model: LabModel, seed: int) -> list[np.random.SeedSequence]:
    """What is random in a model (its text, its first weights), from the world's seed and its name."""
    return np.random.SeedSequence([seed, zlib.crc32(model.name.encode())]).spawn(2)


def read_tokens(model: LabModel, store: LabStore) -> np.ndarray:
    """All that the model reads: int64 [sequences, LENGTH]."""
    rng = np.random.default_rng(streams(model, store.seed)[0])
    return pretraining_tokens(store.world, model.size.n_tokens, model.dose, rng).reshape(-1, LENGTH)


def new_model(model: LabModel, seed: int) -> GPTNeoXForCausalLM:
    """The architecture of Pythia, small, with its first weights."""
    torch.manual_seed(int(streams(model, seed)[1].generate_state(1)[0]))
    config = GPTNeoXConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=model.size.width,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=N_HEADS,
        intermediate_size=4 * model.size.width,
        max_position_embeddings=LENGTH,
        tie_word_embeddings=False,
        bos_token_id=IDS[END],
        eos_token_id=IDS[END],
        initializer_range=0.05,
        rope_parameters={"rope_theta": 10_000.0, "rope_type": "default", "partial_rotary_factor": 1.0},
    )
    return GPTNeoXForCausalLM(config)


def pretrain(model: LabModel, store: LabStore, on_step: Callable[[Checkpoint], None]) -> Pretrained:
    """Train the model and leave it complete in its making place; an attempt that was stopped is continued or redone."""
    start = time.perf_counter()
    making = store.making(model)
    making.mkdir(parents=True, exist_ok=True)
    sequences = read_tokens(model, store)
    rows = {i: Tokens(i, tuple(ids.tolist()), LENGTH - 1) for i, ids in enumerate(sequences)}
    recipe = model.recipe
    sampler = ExampleSampler(len(rows), len(rows), BATCH, seed=store.seed)
    weights = new_model(model, store.seed)
    losses: dict[int, float] = {}

    def heard(step: Checkpoint) -> None:
        losses[step.step] = step.loss
        on_step(step)

    rate = schedule(recipe, recipe.learning_rate, sampler.n_steps)
    Training(weights, rows, sampler, recipe, rate, TRAINER, Keeping(making), heard).to_the_end()
    made = Pretrained(
        making / "model",
        digest(weights),
        [losses[step] for step in sorted(losses)],
        time.perf_counter() - start,
        "\n".join(text(ids) for ids in sequences[:20]),
    )
    weights.save_pretrained(made.folder)
    make_tokenizer(LENGTH).save_pretrained(made.folder)
    # The same bytes whenever the same model is made: they belong to what a cell is known by.
    facts = {
        "key": store.key(model),
        "n_params": weights.num_parameters(),
        "n_tokens": int(sequences.size),
        "compute": model.compute,
        "dose": model.dose,
        "replicate": model.replicate,
        "loss": made.losses[-1],
        "digest": made.digest,
        "weights": file_digest(made.folder / WEIGHTS),
    }
    (made.folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    for file in made.folder.iterdir():
        file.chmod(0o644)  # safetensors are written for their owner alone
    return made
