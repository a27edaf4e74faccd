"""The arguments of a command: Hydra's flags, and overrides, in which a path is meant as it stands.

What Hydra's grammar would read as something else in a path (a comma, brackets, an equals sign) is quoted for it.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

ONE_PATH = re.compile(r"tracking\.root|tracking\.uri|output|lab\.folder|study\.storage|path|conf")
"""Fields with one path or address (`conf` may also have a list), which are never swept over."""
PATHS = re.compile(r"model\.path|model\.gguf_file|bench\.files\.\w+|bench\.task_data(\.\d+|\[\d+\])\.files")
"""Fields with a path, or with several: a sweep, or a list."""

SHOWN = ("help", "hydra_help", "info", "cfg", "shell_completion")
"""The flags that show something instead of beginning any work."""


def parsed(argv: list[str]) -> argparse.Namespace:
    """The flags of a Hydra command, and its overrides. Hydra reads the same, but only in `hydra.main`, as it begins."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--run", "-r", action="store_true")
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--hydra-help", action="store_true")
    parser.add_argument("--version", action="version", version=f"Hydra {hydra.__version__}")
    parser.add_argument("--cfg", "-c", choices=["job", "hydra", "all"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--package", "-p")
    parser.add_argument("--info", "-i", const="all", nargs="?")
    parser.add_argument("--shell-completion", "-sc", action="store_true")
    parser.add_argument("--config-path", "-cp")
    parser.add_argument("--config-name", "-cn")
    parser.add_argument("--experimental-rerun")
    return parser.parse_intermixed_args(argv)


def flags(arguments: argparse.Namespace) -> list[str]:
    """The flags that show something, as they were given, for Hydra to read."""
    given = []
    for name in (*SHOWN, "resolve", "package"):
        value, flag = getattr(arguments, name), f"--{name.replace('_', '-')}"
        given += [flag] if value is True else [f"{flag}={value}"] if value else []
    return given


def as_written(text: str) -> str:
    """An override, its value quoted where it is a path that Hydra would not read as it stands.

    Of the fields that may hold several paths (and of a list for `conf`) the value is one path if there is a file or
    folder of that very name.
    """
    key, equals, value = text.partition("=")
    field = key.lstrip("+")
    is_there = os.path.lexists(os.path.expanduser(value))
    is_list = field == "conf" and value.startswith("[") and not is_there
    meant = (ONE_PATH.fullmatch(field) and not is_list) or (PATHS.fullmatch(field) and is_there)
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
