"""What only the command line may allow: the environment in a configuration, and code that comes with a model."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ttt.spec import SpecError

ALLOWED_ENV = "TTT_ALLOWED_ENVIRONMENT"
"""Where a command leaves the names of variables that it allows, for the processes of its jobs."""
NO = (False, None, 0, "", "0", "false", "no", "off", "n", "f")
_NAMED = re.compile(r"oc\.env:\s*['\"]?([A-Za-z_][A-Za-z0-9_]*)")

Path = tuple[str, ...]


def allow_environment(overrides: Iterable[str], names: Iterable[str]) -> None:
    """Allow the variables that the overrides name as `${oc.env:NAME}`, and `names`, to this process and its workers."""
    named = {name for text in overrides for name in _NAMED.findall(text)}
    os.environ[ALLOWED_ENV] = ",".join(sorted(named | set(names)))


def _environment(name: str, *default: Any) -> str | None:
    """OmegaConf's `oc.env`, for the variables that are allowed."""
    if name not in os.environ.get(ALLOWED_ENV, "").split(","):
        raise SpecError(
            f"the environment variable {name} is asked for by a file; if the file may have it, say allow_env=[{name}]"
        )
    if name in os.environ:
        return os.environ[name]
    if default:
        return None if default[0] is None else str(default[0])
    raise SpecError(f"the environment variable {name} is not set")


OmegaConf.register_new_resolver("oc.env", _environment, replace=True)


def plain_values(config: DictConfig) -> dict[str, Any]:
    """The values of a config, interpolations resolved with as much of the environment as is allowed."""
    values: Any = OmegaConf.to_container(config, resolve=True)
    return {str(key): value for key, value in values.items()}


def resolution_fault(error: Exception) -> str:
    """OmegaConf's message, or that of the resolver which refused."""
    first = (str(error) or type(error).__name__).splitlines()[0]
    return first.removeprefix("SpecError raised while resolving interpolation: ")


def leaves(values: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every plain value in mappings and lists, with its path."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(values, list | tuple):
        for index, value in enumerate(values):
            yield from leaves(value, (*path, str(index)))
    else:
        yield path, values


def check_remote_code(values: Mapping[str, Any], said: Collection[Path]) -> list[str]:
    """What the command line trusts, for people; SpecError for trust that stands in a file alone.

    `said` are the paths of the values that stand in the command line itself.
    """
    trusted = []
    for path, value in leaves(values):
        if path[-1] != "trust_remote_code" or (value.strip().lower() if isinstance(value, str) else value) in NO:
            continue
        field = ".".join(path)
        of = values.get(path[0])
        of = of if isinstance(of, Mapping) else {}
        what = f"{path[0]} '{of.get('name')}'"
        source = of.get("path") or of.get("hub")
        what += f" ({source})" if source else ""
        if path not in said:
            raise SpecError(
                f"{field}: the file of {what} asks that code which comes with it be run; if you trust that code, "
                f"say {field}=true on the command line"
            )
        trusted.append(f"{field}=true: code that comes with {what} is trusted, and will run")
    return trusted


def check_secrets(config: DictConfig, fields: Collection[str]) -> None:
    """SpecError where a file has taken over an address with a password (`${tracking.uri}` in a prompt).

    Whatever changes with the address is made of it: a part of it, a name in a mapping, or a number in it as well.
    """
    values = plain_values(config)
    for field in fields:
        other = deepcopy(config)
        OmegaConf.update(other, field, "another")
        try:
            path = _difference(values, plain_values(other), fields)
        except OmegaConfBaseException as error:
            path = tuple((error.full_key or "a value").split("."))
        if path is not None:
            raise SpecError(f"{'.'.join(path)}: holds the password of {field}, which would be stored")


def _difference(one: Any, other: Any, but_for: Collection[str], path: Path = ()) -> Path | None:
    """Where two values first differ, of the paths that are not left out."""
    if ".".join(path) in but_for:
        return None
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if [*one] != [*other]:
            return path
        inner = [(str(key), one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        inner = [(str(index), *pair) for index, pair in enumerate(zip(one, other, strict=True))]
    else:
        return None if repr(one) == repr(other) else path  # NaN is not equal to itself
    differing = (_difference(first, second, but_for, (*path, name)) for name, first, second in inner)
    return next((place for place in differing if place is not None), None)
