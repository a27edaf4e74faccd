"""What stands in a file of each form (CSV, TSV, JSON, JSON Lines, Parquet), as rows.

Nothing is guessed: neither numbers nor dates nor missing values.
"""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]

BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


N_LISTED, LONGEST_LISTED = 20, 40
"""Columns, and characters of each, that a message shows: a header may be a row, or something that is no table."""


def listed(columns: Iterable[object]) -> str:
    """The names of columns for a message."""
    names = [name if len(name) <= LONGEST_LISTED else f"{name[:LONGEST_LISTED]}..." for name in map(str, columns)]
    more = f" and {len(names) - N_LISTED} more" if len(names) > N_LISTED else ""
    return ", ".join(names[:N_LISTED]) + more


class UnreadableError(ValueError):
    """Why a file's content is not rows; the message begins with the place."""


def _text(content: bytes) -> str:
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableError(
            f"line {line}: is not {error.encoding.upper()} ({error.reason}); save it as UTF-8"
        ) from None
    if "\0" in text:  # what UTF-16 and UTF-32 without their mark look like
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnreadableError(f"line {line}: is not UTF-8 text (it has a NUL character); save it as UTF-8")
    return text


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
    if hint := re.match(r"\"?sep=.\"?(?=[\r\n])", text, re.IGNORECASE):
        raise UnreadableError(f"line 1: {hint[0]!r} is a hint for Excel and no header; delete that line of the file")
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
                    f"{listed(columns)} (separated by {separator!r})"
                )
            else:
                rows.append(dict(zip(columns, values, strict=True)))
    except csv.Error as error:
        raise UnreadableError(f"line {reader.line_num}: {error}") from None
    if columns and separator == "\t":
        _check_quotes(text, rows, len(columns))
    if not rows:
        raise UnreadableError(f"line 1: nothing follows the header with the columns {listed(columns or ())}")
    return rows


def _check_quotes(text: str, rows: list[Row], n_columns: int) -> None:
    """UnreadableError where quotation marks of a TSV may be as any other character, as many files have them.

    That is so if every line has the header's number of columns, although in the reading by quotes one holds several.
    """
    if not any("\t" in value or "\n" in value for row in rows for value in row.values()):
        return
    lines = re.split(r"\r\n|\r|\n", text)
    if any(line and line.count("\t") + 1 != n_columns for line in lines):
        return
    number = next(n for n, line in enumerate(lines, 1) if any(part.count('"') % 2 for part in line.split("\t")))
    raise UnreadableError(
        f"line {number}: a quotation mark begins a value that goes on over tabs or lines, and yet each line has "
        f"{n_columns} columns: it may be a character of the text. Save the file as CSV or JSONL, which tell the two"
    )


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
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite)
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


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


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
        raise UnreadableError(f"has two columns of one name among {listed(table.column_names)}")
    columns = {column: _values(table[column], column) for column in table.column_names}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _values(column: pa.ChunkedArray, name: str) -> list[Any]:
    """The column's values. What Python cannot hold (a date after 9999, an object with a field twice) is refused."""
    values, place = [], ""
    try:
        for number, value in enumerate(column, 1):
            place = f"row {number}, column {name!r}"
            values.append(_plain(_shortest(value), place))
    except UnreadableError:
        raise
    except (ArithmeticError, LookupError, ValueError, pa.ArrowException) as error:
        said = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise UnreadableError(f"{place}: a value of the type {column.type} cannot be read: {said}") from None
    return values


def _shortest(value: pa.Scalar) -> Any:
    """The value in Python's types; one of single precision as the shortest text that means it: 0.1."""
    if pa.types.is_float32(value.type) or pa.types.is_float16(value.type):
        single = value.as_py()
        kind = np.float32 if pa.types.is_float32(value.type) else np.float16
        return None if single is None else float(str(kind(single)))
    if pa.types.is_nested(value.type) and _has_single(value.type):
        if not value.is_valid:
            return None
        if pa.types.is_struct(value.type):
            return {name: _shortest(part) for name, part in value.items()}
        if not pa.types.is_map(value.type):
            return [_shortest(part) for part in value]
    return value.as_py(maps_as_pydicts="strict")


def _has_single(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_has_single(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_float32(kind) or pa.types.is_float16(kind))


def _plain(value: Any, place: str) -> Any:
    """The value in JSON's types; dates and decimal numbers are the text that Python writes for them."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if math.isinf(value):
                raise UnreadableError(f"{place}: {value} is no number that a text can have")
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
