"""The rows of local files as `datasets` for lm-eval's tasks: a folder in the hub's layout that `load_dataset` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import datasets
import pyarrow as pa
import yaml

from ttt.files.formats import Row, listed
from ttt.files.rows import DataFiles, columns_of
from ttt.spec import Bench, SpecError

WHOLE = "default"
"""The one configuration of files that no column divides."""


def write_splits(bench: Bench, files: DataFiles, folder: Path) -> str:
    """Write the bench's local files into `folder`: a split a file, and a configuration a value of `bench.files_by`.

    `load_dataset(folder)` or `load_dataset(folder, value)` then has the very values that the files have. Returns what
    columns they have, for messages. Raises SpecError for a file that cannot be read or lacks the column, and for names
    that `datasets` does not take.
    """
    columns = ""
    parts: dict[str, dict[str, list[Row]]] = {}
    for split, file in bench.files.items():
        if not re.fullmatch(r"\w+(\.\w+)*", split):
            raise SpecError(f"bench.files.{split}: {split!r} cannot be the name of a split; use letters and digits")
        rows = files.rows(file, f"bench.files.{split}")
        columns += f"; the columns of {file} are {listed(columns_of(rows))}"
        for name, members in _divided(rows, bench.files_by, file).items():
            parts.setdefault(name, {})[split] = members
    configurations = []
    # What the files are called is no matter of what stands in them.
    for number, (name, splits) in enumerate(parts.items()):
        data_files = [{"split": split, "path": f"{number}-{split}.parquet"} for split in splits]
        configurations.append({"config_name": name, "data_files": data_files})
        for split, rows in splits.items():
            as_dataset(rows).to_parquet(folder / f"{number}-{split}.parquet")
    header = yaml.safe_dump({"configs": configurations}, allow_unicode=True)
    (folder / "README.md").write_text(f"---\n{header}---\n", encoding="utf-8")
    return columns


def _divided(rows: Sequence[Row], column: str | None, file: str) -> dict[str, list[Row]]:
    if column is None:
        return {WHOLE: list(rows)}
    if column not in columns_of(rows):
        raise SpecError(f"bench.files_by: {file} has no column {column!r}; it has: {listed(columns_of(rows))}")
    divided: dict[str, list[Row]] = {}
    for number, row in enumerate(rows, 1):
        value = row[column]
        name = str(value)
        if value in (None, "") or not re.fullmatch(r"[^<>:/\\|?*\x00-\x1f]+", name) or name.startswith("."):
            raise SpecError(
                f"bench.files_by: row {number} of {file} has {value!r} as its {column!r}, "
                "which cannot be the name of a data set"
            )
        divided.setdefault(name, []).append(row)
    return divided


def as_dataset(rows: Sequence[Row]) -> datasets.Dataset:
    """The rows as a `datasets.Dataset` whose items equal them, types included.

    Columns of one type are Arrow's. Where Arrow would change a value (an integer beside a fraction, texts beside
    numbers, objects of different fields), the column is kept as JSON.
    """
    features, columns = datasets.Features(), {}
    for name in columns_of(rows):
        values = [row[name] for row in rows]
        features[name], columns[name] = _column(values)
    return datasets.Dataset.from_dict(columns, features=features)


def _column(values: list[object]) -> tuple[object, list[object]]:
    if all(value is None or type(value) is str for value in values):
        return datasets.Value("string"), values
    try:
        inferred = datasets.Dataset.from_dict({"column": values})
        if repr(inferred["column"][:]) == repr(values):  # `==` takes 1 for 1.0 and for true
            return inferred.features["column"], values
    except (TypeError, ValueError, OverflowError, pa.ArrowException):
        pass  # Arrow has no type for them
    return datasets.Json(), [json.dumps(value, ensure_ascii=False) for value in values]
