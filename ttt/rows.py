"""One reading of a user's data files, for the test, the shots and the task data alike: rows as they stand in the file.

A value of a CSV or TSV file is the text between its separators; JSON's types are as JSON has them, and Parquet's as
JSON would write them. Nothing is guessed: neither numbers nor dates nor missing values. What lacks a value (JSON's
`null`, a field that other rows have) is None, which no template prints.
"""

from __future__ import annotations

import bz2
import csv
import datetime
import decimal
import gzip
import hashlib
import io
import json
import lzma
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ttt.spec import SpecError

Row = dict[str, Any]

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda content: pa.CompressedInputStream(pa.BufferReader(content), "zstd").read(),
}
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class UnreadableError(ValueError):
    """Why a file's content is not rows; the message begins with the place."""


class DataFiles:
    """Local data files, each under the digest that it had when it was first asked for.

    The digests are part of a cell's key. Rows are parsed from content that has the digest, so that what is scored is
    what the key says; a file that changes in between is refused (SpecError).
    """

    def __init__(self) -> None:
        self._digests: dict[Path, str] = {}

    def digest(self, file: str, field: str) -> str:
        """The file's form and the SHA-256 of its content, decompressed. SpecError if it cannot be read."""
        path, form = _form(file, field)
        self._content(path, field)
        return f"{form}:{self._digests[path]}"

    def rows(self, file: str, field: str) -> list[Row]:
        """All rows, each with every column of the file in its order. SpecError names file, place and reason."""
        path, form = _form(file, field)
        content = self._content(path, field)
        try:
            rows = FORMS[form](content)
        except UnreadableError as error:
            raise SpecError(f"{field}: {path}, {error}") from None
        except (RecursionError, MemoryError, pa.ArrowException) as error:
            raise SpecError(f"{field}: {path} cannot be read as {form}: {type(error).__name__}: {error}") from None
        if not rows:
            raise SpecError(f"{field}: {path} holds no rows")
        columns = dict.fromkeys(column for row in rows for column in row)
        return [{column: row.get(column) for column in columns} for row in rows]

    def _content(self, path: Path, field: str) -> bytes:
        try:
            content = path.read_bytes()
            if path.suffix.lower() in COMPRESSIONS:
                content = COMPRESSIONS[path.suffix.lower()](content)
        except (OSError, EOFError, ValueError, lzma.LZMAError, pa.ArrowException) as error:
            raise SpecError(f"{field}: {path} cannot be read: {error}") from None
        digest = hashlib.sha256(content).hexdigest()
        if self._digests.setdefault(path, digest) != digest:
            raise SpecError(f"{field}: {path} was changed after the command had begun with it; give the command again")
        if not content.strip():
            raise SpecError(f"{field}: {path} is empty")
        return content


def _form(file: str, field: str) -> tuple[Path, str]:
    """The file's absolute path, and the suffix that tells how it is read."""
    path = Path(file).expanduser().absolute()
    if path.is_dir():
        raise SpecError(f"{field}: {path} is a folder; name the file in it")
    if not path.is_file():
        raise SpecError(f"{field}: no file {path}")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in FORMS:
        kinds, packed = ", ".join(FORMS), ", ".join(COMPRESSIONS)
        raise SpecError(f"{field}: {path.name} is none of {kinds}, each with {packed} behind it or not")
    return path, suffixes[-1]


def _text(content: bytes) -> str:
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableError(
            f"line {line}: is not {error.encoding.upper()} ({error.reason}); save it as UTF-8"
        ) from None


def _csv(content: bytes) -> list[Row]:
    """Separated by commas, or by what alone separates the header: semicolons or tabs."""
    text = _text(content)
    header = next((line for line in text.splitlines() if line.strip()), "")
    separators = [mark for mark in ",;\t" if mark in header]
    return _separated(text, separators[0] if separators else ",")


def _tsv(content: bytes) -> list[Row]:
    return _separated(_text(content), "\t")


def _separated(text: str, separator: str) -> list[Row]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[Row] = []
    columns: list[str] | None = None
    try:
        for values in reader:
            if not values:  # an empty line
                continue
            if columns is None:
                columns = values
                if len(set(columns)) < len(columns):
                    twice = next(name for name in columns if columns.count(name) > 1)
                    raise UnreadableError(f"line {reader.line_num}: the header names the column {twice!r} twice")
            elif len(values) != len(columns):
                raise UnreadableError(
                    f"line {reader.line_num}: has {len(values)} values for the {len(columns)} columns "
                    f"{', '.join(columns)} (separated by {separator!r})"
                )
            else:
                rows.append(dict(zip(columns, values, strict=True)))
    except csv.Error as error:
        raise UnreadableError(f"line {reader.line_num}: {error}") from None
    if not rows:
        raise UnreadableError(f"line 1: nothing follows the header with the columns {', '.join(columns or ())}")
    return rows


def _json_lines(content: bytes) -> list[Row]:
    rows = []
    for number, line in enumerate(_text(content).split("\n"), 1):
        if line.strip():
            rows.append(_object(_parsed(line, number), f"line {number}"))
    return rows


def _json(content: bytes) -> list[Row]:
    """A list of objects, such a list in an object that holds nothing else of the kind, or an object a line."""
    text = _text(content)
    try:
        whole = _parsed(text, 1)
    except UnreadableError:
        if text.strip().count("\n") and text.lstrip().startswith("{"):
            return _json_lines(content)
        raise
    if isinstance(whole, dict):
        lists = {k: v for k, v in whole.items() if isinstance(v, list) and v and all(isinstance(x, dict) for x in v)}
        if len(lists) != 1:
            raise UnreadableError(
                f"holds an object with the fields {', '.join(whole)}, of which {len(lists)} are lists of rows; "
                "one is needed, or a list of rows by itself"
            )
        whole = next(iter(lists.values()))
    if not isinstance(whole, list):
        raise UnreadableError(f"holds {_kind(whole)}, not a list of rows")
    return [_object(row, f"row {number}") for number, row in enumerate(whole, 1)]


def _parsed(text: str, line: int) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except json.JSONDecodeError as error:
        place = f"line {line + error.lineno - 1}, character {error.colno}"
        raise UnreadableError(f"{place}: cut off or no JSON: {error.msg}") from None
    except ValueError as error:  # what the two functions refuse, and numbers of too many digits
        raise UnreadableError(f"line {line}: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has the field {next(n for n in names if names.count(n) > 1)!r} twice")
    return row


def _constant(name: str) -> None:
    """NaN is what some writers put for a value that is missing; infinities are no data."""
    if name != "NaN":
        raise ValueError(f"{name} is no value in JSON")


def _object(row: Any, place: str) -> Row:
    if not isinstance(row, dict):
        raise UnreadableError(f"{place}: {_kind(row)} is no row; rows are objects with named fields")
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UnreadableError(f"{place}: holds half of a character (\\u{ord(error.object[error.start]):x})") from None
    return row


def _kind(value: Any) -> str:
    return {list: "a list", dict: "an object", str: "a text", bool: "a truth value", type(None): "null"}.get(
        type(value), "a number"
    )


def _parquet(content: bytes) -> list[Row]:
    table = pq.read_table(pa.BufferReader(content))
    if len(set(table.column_names)) < len(table.column_names):
        raise UnreadableError(f"has two columns of one name among {', '.join(table.column_names)}")
    return [
        {name: _plain(value, f"row {number}, column {name!r}") for name, value in row.items()}
        for number, row in enumerate(table.to_pylist(maps_as_pydicts="strict"), 1)
    ]


def _plain(value: Any, place: str) -> Any:
    """The value in JSON's types; dates and decimal numbers are the text that Python writes for them."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return None if math.isnan(value) else value
        case datetime.date() | datetime.time() | decimal.Decimal():  # a datetime is a date
            return str(value)
        case list():
            return [_plain(item, place) for item in value]
        case dict():
            return {name: _plain(item, place) for name, item in value.items()}
    raise UnreadableError(f"{place}: a value of the type {type(value).__name__} is no text, number or list")


FORMS: dict[str, Callable[[bytes], list[Row]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
}


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Names of the columns, of which every row has all."""
    return list(next(iter(rows), {}))
