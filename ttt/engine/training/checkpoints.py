"""Checkpoints of training that survive a kill: written beside and renamed, known by their digest, the last two kept.

The digest is over the content and the place (`_owner`): another training's checkpoint is none of this one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from ttt.engine import distributed

log = logging.getLogger(__name__)
# What is resumed is told by step (`ttt.engine.training.module.Steps`), and the files are our own.
warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
logging.getLogger("lightning_fabric.utilities.cloud_io").setLevel(logging.ERROR)

N_KEPT = 2
"""The one before is what a broken last one falls back to."""
NAME = re.compile(r"step-(\d{8})\.([0-9a-f]{16})\.ckpt")


class CheckpointFiles(TorchCheckpointIO):
    """Lightning's checkpoint files as `step-<step>.<digest>.ckpt`: each there in full, or not there at all."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write to a temporary name, flush to the disk, rename; `path` is the folder. Raises OSError on a full disk.

        Of several processes rank zero alone writes.
        """
        if distributed.rank():
            return
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "saving.part"
        with part.open("wb") as file:
            hashing = _Hashing(file, _owner(folder))
            torch.save(checkpoint, hashing)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / f"step-{checkpoint['global_step']:08d}.{hashing.digest}.ckpt")
        for old in _saved(folder)[N_KEPT:]:
            old.unlink()


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint of a folder whose content is what was written; broken ones are told of and removed."""
    for file in _saved(folder):
        name = NAME.fullmatch(file.name)
        assert name is not None
        if _digest(file) == name[2]:
            return file
        others = len(_saved(folder)) - 1
        rest = "the one before it is tried" if others else "training starts anew"
        log.warning(f"checkpoint {file} is broken, or another training's ({file.stat().st_size:,} bytes); {rest}")
        file.unlink()
    return None


def step_of(file: Path) -> int:
    """Steps taken when the checkpoint was written."""
    name = NAME.fullmatch(file.name)
    assert name is not None, file
    return int(name[1])


def _saved(folder: Path) -> list[Path]:
    """Newest first."""
    files = [file for file in folder.glob("step-*.ckpt") if NAME.fullmatch(file.name)]
    return sorted(files, key=lambda file: (file.name.split(".")[0], file.stat().st_mtime_ns), reverse=True)


def _digest(file: Path) -> str:
    hashing = _Hashing(None, _owner(file.parent))
    with file.open("rb") as content:
        while block := content.read(2**20):
            hashing.write(block)
    return hashing.digest


def _owner(folder: Path) -> str:
    """Whose the checkpoints of a folder are: the key of what is trained is in its path, wherever the store is."""
    return "/".join(folder.absolute().parts[-3:])


class _Hashing:
    """What torch.save writes to: the bytes go to the file, and into its digest as they pass."""

    def __init__(self, file: BinaryIO | None, owner: str):
        self.file, self.sha = file, hashlib.sha256(owner.encode())

    def write(self, content: Any) -> int:
        self.sha.update(content)
        return self.file.write(content) if self.file else len(content)

    def flush(self) -> None:
        if self.file:
            self.file.flush()

    @property
    def digest(self) -> str:
        return self.sha.hexdigest()[:16]
