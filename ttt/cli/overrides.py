"""Paths on the command line: what Hydra's grammar would read as something else is meant as it stands."""

from __future__ import annotations

import os
import re
import shlex

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

ONE_PATH = re.compile(r"tracking\.root|tracking\.uri|output|lab\.folder|study\.storage|path|conf")
"""Fields with one path or address, which are never swept over."""
PATHS = re.compile(r"model\.path|model\.gguf_file|bench\.files\.\w+|bench\.task_data(\.\d+|\[\d+\])\.files")
"""Fields with a path, or with several: a sweep, or a list."""


def as_written(text: str) -> str:
    """An override, its value quoted where it is a path that Hydra would not read as it stands.

    Of the fields that may hold several paths the value is one path if there is a file or folder of that very name.
    """
    key, equals, value = text.partition("=")
    field = key.lstrip("+")
    meant = ONE_PATH.fullmatch(field) or (PATHS.fullmatch(field) and os.path.lexists(os.path.expanduser(value)))
    if not equals or not meant or value in ("", "null") or "${" in value or _is_read(text, value):
        return text
    return f"{key}={quoted(value)}"


def quoting(text: str) -> str:
    """How an override whose value has characters of Hydra's grammar is written in a shell."""
    key, equals, value = text.partition("=")
    if not equals:
        return "; an override is written key=value"
    return f"; quote what is meant as it stands: {shlex.quote(f'{key}={quoted(value)}')}"


def quoted(value: str) -> str:
    """The value as Hydra's grammar reads it back."""
    return QuotedString(value, Quote.single if '"' in value else Quote.double).with_quotes()


def _is_read(text: str, value: str) -> bool:
    """Whether Hydra's grammar takes the value as it stands, or reads quotes that were put there for it."""
    try:
        override = OverridesParser.create().parse_override(text)
        return "'" in value or '"' in value or (not override.is_sweep_override() and override.value() == value)
    except HydraException:
        return False
