"""Where the lab's models and questions are kept, and which of them are there. No torch: a second look is instant."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ttt.files.hashing import file_digest, json_digest
from ttt.files.model_files import read_json
from ttt.files.whole import write_whole
from ttt.lab.ladder import BATCH, LENGTH, N_HEADS, N_LAYERS, LabModel
from ttt.lab.words import FORMATS
from ttt.lab.world import ASKED, World, make_world
from ttt.spec import SpecError

FORMAT = 2
"""Raised when pretraining comes to make something else of the same world and model."""
N_TASK_DATA = 3200
"""Examples of task data. More of them would be more drawings of the same few facts."""
FACTS = "lab.json"
"""What is known of a model, in its folder; a folder without it is not finished."""
WEIGHTS = "model.safetensors"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabStore:
    """The lab of one world: `folder` holds its models by name, and tests, validations and task data as JSONL."""

    folder: Path
    seed: int

    @property
    def world(self) -> World:
        return make_world(self.seed)

    def key(self, model: LabModel) -> str:
        """Twenty hexadecimal digits over all that makes the model what it is."""
        content = {
            "format": FORMAT,
            "seed": self.seed,
            "world": self.world.digest(),
            "model": asdict(model),
            "shape": [N_LAYERS, N_HEADS, BATCH, LENGTH],
            "recipe": model.recipe.model_dump(),
        }
        return json_digest(content)

    def facts(self, model: LabModel) -> dict[str, Any] | None:
        """What is known of a finished model; None if it is missing, damaged or was made by another recipe."""
        folder = self.folder / model.name
        if not (folder / FACTS).is_file():
            return None
        try:
            facts = read_json(folder / FACTS)
            if facts.get("key") != self.key(model):
                return None
            if facts.get("weights") in (file_digest(folder / WEIGHTS), None):  # earlier versions kept no digest
                return facts
            fault = f"{folder / WEIGHTS} is not what was saved"
        except SpecError as error:
            fault = str(error)
        log.warning(f"the lab's model {model.name} is damaged, and made again: {fault}")
        return None

    def making(self, model: LabModel) -> Path:
        """Where a model is until it is finished; by key, so that what another recipe left is not gone on with."""
        return self.folder / "making" / self.key(model)

    def finish(self, model: LabModel, made: Path) -> None:
        """Put a complete folder in the model's place."""
        place = self.folder / model.name
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
        shutil.rmtree(self.making(model))

    def write_questions(self) -> None:
        """The files of questions; those that are as they should be stay untouched."""
        self.folder.mkdir(parents=True, exist_ok=True)
        world = self.world
        files = {f"{name}_{split}": world.questions(name, split) for name in FORMATS for split in ASKED}
        files["task_data"] = world.task_data(N_TASK_DATA)
        for name, rows in files.items():
            file = self.folder / f"{name}.jsonl"
            content = "".join(json.dumps(row) + "\n" for row in rows).encode()
            if not file.exists() or file.read_bytes() != content:
                write_whole(file, content)
