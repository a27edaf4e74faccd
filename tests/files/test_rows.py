"""Data files as they stand: every value the text or JSON value in the file, and one message for what is none."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cells import request
from ttt.cell.key import cell_key
from ttt.files.rows import DataFiles
from ttt.spec import SpecError
from ttt.tasks.splits import as_dataset

AWKWARD = [
    *("None", "NA", "N/A", "null", "nan", "NaN", "NULL", "#N/A", "inf", "-inf", "undefined"),
    *("0", "1", "01", "007", "1.0", "1e5", "1_000", "1,000", "0x10", "-0", "+1", "12345678901234567890123", "½"),
    *("2024-01-01", "01/02/2024", "2024-01-01T00:00:00Z", "12:30", "1 January"),
    *("true", "True", "FALSE", "yes", "no", "on", "off"),
    *(" ", "  leading", "trailing  ", "a\tb", "a  b", "\u00a0", "\u200b"),
    *("'", '"', "'q'", '"q"', 'say "hi"', "back\\slash", "a;b", "a,b", "a|b"),
    *("two\nlines", "blank\n\nline", "\u2028separated", "[1, 2]", '{"a": 1}', "{{x}}", "{% if %}", "=1+1", "#comment"),
    *("Ünïcödé", "中文题目", "العربية", "हिन्दी", "日本語", "😀👩‍👩‍👧", "\x1b[31mred\x1b[0m", "e\u0301"),
]


def write_text(separator: str, text: bytes = b"") -> Callable[[Path, list[dict[str, Any]]], None]:
    def write(path: Path, rows: list[dict[str, Any]]) -> None:
        with io.StringIO(newline="") as out:
            writer = csv.DictWriter(out, list(rows[0]), delimiter=separator)
            writer.writeheader()
            writer.writerows(rows)
            path.write_bytes(text + out.getvalue().encode())

    return write


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_packed(pack: Callable[[bytes], bytes]) -> Callable[[Path, list[dict[str, Any]]], None]:
    def write(path: Path, rows: list[dict[str, Any]]) -> None:
        write_lines(path, rows)
        path.write_bytes(pack(path.read_bytes()))

    return write


def write_zst(path: Path, rows: list[dict[str, Any]]) -> None:
    write_lines(path, rows)
    content = path.read_bytes()
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write(content)


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], None]] = {
    "a.csv": write_text(","),
    "bom.csv": write_text(",", b"\xef\xbb\xbf"),
    "semicolons.csv": write_text(";"),
    "tabs.csv": write_text("\t"),
    "a.tsv": write_text("\t"),
    "a.jsonl": write_lines,
    "lines.json": write_lines,
    "list.json": lambda path, rows: path.write_text(json.dumps(rows, indent=1)),
    "wrapped.json": lambda path, rows: path.write_text(json.dumps({"version": 1, "data": rows})),
    "a.parquet": lambda path, rows: pd.DataFrame(rows).to_parquet(path),
    "a.jsonl.gz": write_packed(gzip.compress),
    "a.jsonl.bz2": write_packed(bz2.compress),
    "A.JSONL.XZ": write_packed(lzma.compress),
    "a.jsonl.zst": write_zst,
}
"""Forms of one table of texts; test_reading has them asked, trained and scored."""


@pytest.mark.parametrize("name", WRITERS)
def test_every_form_gives_the_texts_that_were_written(name: str, tmp_path: Path) -> None:
    rows = [{"number": f"row {i}", "text": text} for i, text in enumerate(AWKWARD)]
    WRITERS[name](tmp_path / name, rows)
    assert DataFiles().rows(str(tmp_path / name), "files") == rows
    assert [dict(row) for row in as_dataset(rows)] == rows, "lm-eval gets the same"


JSON_VALUES = [
    *(1, "1", True, "true", None, 1.0, 0.1, 1e-7, -0.0, 2**63, "null", "None", "", "[1]", '"q"'),
    *([], {}, [1, "2", None, 1.5], {"k": "1"}, {"k": 1, "z": []}, [[1], ["a"]], [{"a": 1}, {"b": 2}]),
]


def test_jsons_types_are_as_json_has_them(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {
        "mixed": JSON_VALUES,
        "integers": list(range(len(JSON_VALUES))),
        "fractions": [0.5] * len(JSON_VALUES),
        "both": [1, *[0.5] * (len(JSON_VALUES) - 1)],
        "truths": [True, False] * (len(JSON_VALUES) // 2),
        "lists": [["a", "b"], [], *[["1"]] * (len(JSON_VALUES) - 2)],
        "digits": ["1", "007", *["true"] * (len(JSON_VALUES) - 2)],
    }
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    write_lines(tmp_path / "a.jsonl", rows)
    read = DataFiles().rows(str(tmp_path / "a.jsonl"), "files")
    assert repr(read) == repr(rows)
    assert repr([dict(row) for row in as_dataset(read)]) == repr(rows)


def test_a_field_that_only_other_rows_have_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"b": NaN}\n')
    assert DataFiles().rows(str(tmp_path / "a.jsonl"), "f") == [{"a": 1, "b": None}, {"a": None, "b": None}]


def test_parquets_types_are_json_s(tmp_path: Path) -> None:
    frame = pd.DataFrame({"day": pd.to_datetime(["2024-01-02"]), "n": [3], "x": [float("nan")], "l": [["a", "b"]]})
    frame.to_parquet(tmp_path / "a.parquet")
    row = {"day": "2024-01-02 00:00:00", "n": 3, "x": None, "l": ["a", "b"]}
    assert DataFiles().rows(str(tmp_path / "a.parquet"), "f") == [row]
    pd.DataFrame({"b": [b"x"]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(SpecError, match=r"b\.parquet, row 1, column 'b': a value of the type bytes"):
        DataFiles().rows(str(tmp_path / "b.parquet"), "f")


def damaged(packed: bytes) -> bytes:
    half = len(packed) // 2
    return packed[: half - 15] + bytes(byte ^ 0xFF for byte in packed[half - 15 : half + 15]) + packed[half + 15 :]


UNQUOTED = 'q\tanswer\n"To be, he began\tA\nWhat is 2?\tB\nWhat is 3?\tC\nand ended there"\tD\nLast\tB\n'
"""Five rows of a file in which a quotation mark is a character as any other."""


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "question,a\n", "line 1: nothing follows the header with the columns question, a"),
        ("a.csv", "q,a\nx,y\nx\n", "line 3: has 1 values for the 2 columns q, a"),
        ("a.csv", "q,a\nx,y,z\n", "line 2: has 3 values for the 2 columns q, a"),
        ("a.csv", "q,q\nx,y\n", "line 1: the header names the column 'q' twice"),
        ("a.csv", 'q,a\n"x,y\n', "line 2: unexpected end of data"),
        ("a.csv", b"q,a\nx,y\ncaf\xe9,y\n", "line 3: is not UTF-8"),
        ("a.jsonl", '{"q": 1}\n{"q": \n', "line 2, character 7: cut off or no JSON"),
        ("a.jsonl", '{"q": 1}\n[1]\n', "line 2: a list is no row"),
        ("a.jsonl", '{"q": 1, "q": 2}\n', "line 1: an object has the field 'q' twice"),
        ("a.jsonl", '{"q": Infinity}\n', "line 1: Infinity is no value in JSON"),
        ("a.jsonl", '{"q": "\\ud800"}\n', "line 1: holds half of a character"),
        ("a.jsonl", '{"q": 1' + "0" * 5000 + "}\n", "line 1: Exceeds the limit"),
        ("a.json", "[" * 100_000, "cannot be read as .json: RecursionError"),
        ("a.json", '[{"q": 1},\n {"q"', "line 2, character 6: cut off or no JSON"),
        ("a.json", '{"data": {"q": 1}}', "holds an object with the fields data, of which 0 are lists of rows"),
        ("a.json", '{"train": [{"q": 1}], "test": [{"q": 2}]}', "the fields train, test, of which 2 are lists of rows"),
        ("a.json", "3", "holds a number, not a list of rows"),
        ("a.json", "[]", "holds no rows"),
        ("a.parquet", b"PAR1 but cut", "cannot be read as .parquet: ArrowInvalid"),
        ("a.jsonl.gz", b"\x1f\x8bcut", "cannot be read: "),
        (
            "a.jsonl.gz",
            damaged(gzip.compress(b'{"q": "some question"}\n' * 50, mtime=0)),
            "a.jsonl.gz cannot be read: Error -3",
        ),
        ("a.jsonl.bz2", damaged(bz2.compress(b'{"q": "some question"}\n' * 50)), "a.jsonl.bz2 cannot be read: "),
        ("a.jsonl.xz", damaged(lzma.compress(b'{"q": "some question"}\n' * 50)), "a.jsonl.xz cannot be read: "),
        ("a.jsonl", '{"q": 1e400}\n', "line 1: 1e400 is too large a number"),
        ("a.jsonl", '{"q": [-1E999]}\n', "line 1: -1E999 is too large a number"),
        ("a.csv", "sep=;\nq;answer\na;0\n", "line 1: 'sep=;' is a hint for Excel and no header; delete that line"),
        ("a.csv", '"sep=,"\r\nq,answer\r\na,0\r\n', "is a hint for Excel and no header"),
        ("a.csv", "q,a\nx,y\n".encode("utf-16-le"), "line 1: is not UTF-8 text (it has a NUL character)"),
        ("a.csv", "q,a\nx,y\n".encode("utf-32"), "is not UTF-8 text"),
        ("a.jsonl", '{"q": 1}\n'.encode("utf-16-be"), "line 1: is not UTF-8 text"),
        ("a.tsv", UNQUOTED, "a.tsv, line 2: a quotation mark begins a value that goes on over tabs or lines"),
        ("a.tsv", UNQUOTED.replace("\n", "\r\n"), "each line has 2 columns: it may be a character of the text. Save"),
        ("tabs.csv", UNQUOTED, "as CSV or JSONL, which tell the two"),
        ("a.jsonl", " \n", "is empty"),
        ("a.xlsx", "x", "a.xlsx is none of .jsonl, .ndjson, .json, .csv, .tsv, .parquet, each with .gz, "),
        ("a.gz", "x", "a.gz is none of "),
    ],
)
def test_what_is_no_table_is_refused_by_its_place(
    name: str, content: str | bytes, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SpecError) as refused:
        DataFiles().rows(str(file), "bench.files.test")
    assert expected in str(refused.value)
    assert str(refused.value).startswith("bench.files.test: ")
    assert name in str(refused.value)


def test_a_tsv_whose_quotation_marks_can_only_be_such_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('q\tanswer\n"two\nlines"\tA\n"a\ttab"\tB\nsay "hi"\tC\n')
    texts = [row["q"] for row in DataFiles().rows(str(tmp_path / "a.tsv"), "f")]
    assert texts == ["two\nlines", "a\ttab", 'say "hi"']


def write_parquet(path: Path, values: Any) -> str:
    pq.write_table(pa.table({"id": list(range(len(values))), "x": values}), path)
    return str(path)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([0, 2**60]).cast(pa.timestamp("us"), safe=False), "row 2, column 'x': a value of the type timestamp"),
        (pa.array([2**30], pa.int32()).cast(pa.date32()), "row 1, column 'x': a value of the type date32"),
        (pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int64())), "a value of the type map<string, int64"),
        (pa.array([0]).cast(pa.timestamp("us", tz="Mars/Olympus")), "a value of the type timestamp[us, tz=Mars/"),
        (pa.array([1.0, float("inf")]), "row 2, column 'x': inf is no number"),
        (pa.array([[float("-inf")]]), "row 1, column 'x': -inf is no number"),
    ],
)
def test_what_python_cannot_hold_is_refused_by_its_place(values: Any, expected: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        DataFiles().rows(write_parquet(tmp_path / "a.parquet", values), "bench.files.test")
    assert expected in str(refused.value)
    assert str(refused.value).startswith("bench.files.test: ")


@pytest.mark.parametrize("kind", [pa.float32(), pa.float16()])
def test_numbers_of_single_precision_are_their_shortest_text(kind: Any, tmp_path: Path) -> None:
    numbers = pa.array(np.array([0.1, 0.7, 2.0], dtype=kind.to_pandas_dtype()), kind)
    nested = pa.StructArray.from_arrays([pa.array([[0.1], None, [0.7, 2.0]], pa.list_(pa.float32()))], ["l"])
    pq.write_table(pa.table({"x": numbers, "nested": nested}), tmp_path / "a.parquet")
    rows = DataFiles().rows(str(tmp_path / "a.parquet"), "f")
    assert [str(row["x"]) for row in rows] == ["0.1", "0.7", "2.0"]
    assert [row["nested"]["l"] for row in rows] == [[0.1], None, [0.7, 2.0]]


@pytest.mark.parametrize("file", ["~nosuchuser/x.csv", "x" * 300 + ".csv", "nul\0.csv"])
def test_a_name_that_no_file_can_have_is_refused(file: str, conf: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^f: .*(cannot be read|no file)"):
        DataFiles().rows(file, "f")
    cell = request(conf, tmp_path, adjustment="none").cells[0]
    bench = cell.bench.model_copy(update={"files": {"test": file}})
    with pytest.raises(SpecError, match=r"^bench\.files\.test: .*(cannot be read|no file)"):
        cell_key(cell.model_copy(update={"bench": bench}), "files:x", "32", DataFiles(), 4096)


def test_the_named_file_is_read(tmp_path: Path) -> None:
    for name in ("test[1].jsonl", "test1.jsonl", "a*b?.jsonl", "a b=c,d%20#é.jsonl"):
        (tmp_path / name).write_text(json.dumps({"name": name}))
    for file in tmp_path.iterdir():
        assert DataFiles().rows(str(file), "f") == [{"name": file.name}]
    with pytest.raises(SpecError, match="is a folder; name the file in it"):
        DataFiles().rows(str(tmp_path), "f")


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_lines(tmp_path / "a.jsonl", [{"a": 1}])
    assert DataFiles().rows("~/a.jsonl", "f") == [{"a": 1}]


def test_content_decides_and_a_change_in_between_is_refused(tmp_path: Path) -> None:
    file, files = tmp_path / "a.jsonl", DataFiles()
    file.write_text('{"a": 1}\n')
    os.utime(file, (1, 1))
    first = files.digest(str(file), "f")
    file.write_text('{"a": 2}\n')  # of the same size and time
    os.utime(file, (1, 1))
    assert DataFiles().digest(str(file), "f") != first
    with pytest.raises(SpecError, match="was changed after the command had begun with it"):
        files.rows(str(file), "f")
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert DataFiles().digest(str(packed), "f") == DataFiles().digest(str(file), "f")


def test_what_the_system_shows_as_files_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to("/proc/self/environ")
    with pytest.raises(SpecError, match=r"a\.csv leads to /proc/\d+/environ, which is no file of data$"):
        DataFiles().rows(str(tmp_path / "a.csv"), "f")


def test_a_message_shows_a_part_of_a_long_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x" * 500 + ",q" * 1 + "".join(f",c{i}" for i in range(50)) + "\n1\n")
    with pytest.raises(SpecError) as refused:
        DataFiles().rows(str(tmp_path / "a.csv"), "f")
    assert "x" * 40 + "..., q, c0" in str(refused.value)
    assert "and 32 more" in str(refused.value)
    assert len(str(refused.value)) < 600
