"""Local data files: which reader they need, and how a table is split by one of its columns."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import datasets
import yaml
from filelock import FileLock

from ttt.spec import SpecError, nearest

BUILDERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}


def read_files(files: Sequence[str], field: str) -> tuple[str, list[Path]]:
    """The `datasets` builder for the files and their absolute paths; SpecError if one is missing or of another kind."""
    paths = [Path(file).expanduser().resolve() for file in files]
    for path in paths:
        if not path.is_file():
            raise SpecError(f"{field}: no file {path}")
        if path.suffix not in BUILDERS:
            raise SpecError(f"{field}: {path.name} is none of {nearest(path.suffix, BUILDERS)}")
        if path.stat().st_size == 0:
            raise SpecError(f"{field}: {path} is empty")
    builders = {BUILDERS[path.suffix] for path in paths}
    if len(builders) > 1:
        raise SpecError(f"{field}: the files are of several kinds ({', '.join(sorted(builders))}); give one kind")
    return builders.pop(), paths


def load_files(files: Sequence[str], field: str) -> datasets.Dataset:
    """The rows of local files as one data set; SpecError if they cannot be read."""
    builder, paths = read_files(files, field)
    try:
        return datasets.load_dataset(builder, data_files=[str(path) for path in paths], split="train")
    except datasets.exceptions.DatasetGenerationError as error:
        raise SpecError(f"{field}: {', '.join(files)} cannot be read: {error.__cause__ or error}") from error


def split_by_column(files: Mapping[str, str], column: str, cache: Path) -> Path:
    """A folder in the hub's layout, one configuration a value of the column: `load_dataset(folder, value)`."""
    folder = cache / hashlib.sha256(repr([sorted(files.items()), column, _stamps(files)]).encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            making = folder.with_suffix(".part")
            shutil.rmtree(making, ignore_errors=True)
            _split(files, column, making)
            making.rename(folder)
    return folder


def _split(files: Mapping[str, str], column: str, making: Path) -> None:
    configurations: dict[str, dict[str, str]] = {}
    for split, file in files.items():
        rows = load_files([file], f"bench.files.{split}")
        if column not in rows.column_names:
            raise SpecError(f"bench.files_by: {file} has no column {column!r}; it has: {', '.join(rows.column_names)}")
        members: dict[str, list[int]] = {}
        for index, value in enumerate(rows[column]):
            members.setdefault(str(value), []).append(index)
        for name, indices in members.items():
            configurations.setdefault(name, {})[split] = f"{name}/{split}.parquet"
            (making / name).mkdir(parents=True, exist_ok=True)
            rows.select(indices).to_parquet(making / name / f"{split}.parquet")
    header = {
        "configs": [
            {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in paths.items()]}
            for name, paths in configurations.items()
        ]
    }
    (making / "README.md").write_text(f"---\n{yaml.safe_dump(header)}---\n", encoding="utf-8")


def _stamps(files: Mapping[str, str]) -> list[tuple[int, int]]:
    return [
        (Path(file).stat().st_size, Path(file).stat().st_mtime_ns) for file in files.values() if Path(file).exists()
    ]
