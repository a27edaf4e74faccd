"""One reading of a user's data files, for the test, the shots and the task data alike: rows as they stand in the file.

A value of a CSV or TSV file is the text between its separators; JSON's types are as JSON has them, and Parquet's as
JSON would write them. Nothing is guessed: neither numbers nor dates nor missing values. What lacks a value (JSON's
`null`, a field that other rows have) is None, which no template prints.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa

from ttt.files.formats import FORMS, Row, UnreadableError
from ttt.files.hub_commits import dataset_commit
from ttt.spec import SpecError

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda content: pa.CompressedInputStream(pa.BufferReader(content), "zstd").read(),
}


NO_DATA = ("dev", "proc", "sys")
"""Where the system shows processes (their secrets too) and devices as files."""


class DataFiles:
    """The data that a request names: local files, each under the digest that it had when it was first asked for, and
    data sets of the hub, each at the commit that it had then.

    Digests and commits are part of a cell's key. Rows are parsed from content that has the digest, and loaded at the
    commit, so that what is scored is what the key says; a file that changes in between is refused (SpecError).
    """

    def __init__(self) -> None:
        self._digests: dict[Path, str] = {}
        self._commits: dict[tuple[str, str], str] = {}

    def commit(self, hub: str, revision: str, field: str) -> str:
        """The commit of a data set of the hub, looked up once. SpecError beginning with `field` if there is none."""
        if (hub, revision) not in self._commits:
            self._commits[hub, revision] = dataset_commit(hub, revision, field)
        return self._commits[hub, revision]

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
        except (RecursionError, MemoryError, ArithmeticError, LookupError, ValueError, pa.ArrowException) as error:
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
        except (OSError, EOFError, ValueError, MemoryError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
            raise SpecError(f"{field}: {path} cannot be read: {error}") from None
        digest = hashlib.sha256(content).hexdigest()
        if self._digests.setdefault(path, digest) != digest:
            raise SpecError(f"{field}: {path} was changed after the command had begun with it; give the command again")
        if not content.strip():
            raise SpecError(f"{field}: {path} is empty")
        return content


def _form(file: str, field: str) -> tuple[Path, str]:
    """The file's absolute path, and the suffix that says how it is read."""
    try:
        path = Path(file).expanduser().absolute()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # names too long, no such user's home
        raise SpecError(f"{field}: {file} cannot be read: {error}") from None
    if is_folder:
        raise SpecError(f"{field}: {path} is a folder; name the file in it")
    if not is_file:
        raise SpecError(f"{field}: no file {path}")
    if (place := path.resolve()).parts[1] in NO_DATA:
        raise SpecError(f"{field}: {path} leads to {place}, which is no file of data")
    if (form := form_of(file)) not in FORMS:
        kinds, packed = ", ".join(FORMS), ", ".join(COMPRESSIONS)
        raise SpecError(f"{field}: {path.name} is none of {kinds}, each with {packed} behind it or not")
    return path, form


def form_of(file: str) -> str:
    """The suffix of a file's name that says how it is read, that of a compression aside."""
    suffixes = [suffix.lower() for suffix in Path(file).suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Names of the columns, of which every row has all."""
    return list(next(iter(rows), {}))
