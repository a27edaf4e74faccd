"""What a request is made of is checked as it is made, and each fault names the field, the value and the choices."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError


class SpecError(ValueError):
    """A request that cannot be carried out as written; the message is meant for the user."""


class Spec(BaseModel):
    """A part of a request: frozen, and checked when it is made. A field that it does not have is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


S = TypeVar("S", bound=Spec)


def check(kind: type[S], values: Mapping[str, Any], where: str = "") -> S:
    """Make a `kind` of the values, or raise one SpecError that lists every fault."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SpecError(_in_words(error, kind, where)) from None


def nearest(value: str, choices: Iterable[str], n: int = 60) -> str:
    """The choices as one line, those nearest to the value first, at most `n` of them."""
    choices = sorted(choices)
    close = difflib.get_close_matches(value, choices, n=5, cutoff=0.4)
    ordered = close + [choice for choice in choices if choice not in close]
    rest = f", and {len(ordered) - n} more" if len(ordered) > n else ""
    return ", ".join(ordered[:n]) + rest


def _in_words(error: ValidationError, kind: type[BaseModel], where: str = "") -> str:
    """Every fault that pydantic found in the values of a `kind`, one a line; `where` is the field that they are of."""
    by_path: dict[tuple[str | int, ...], list[Mapping[str, Any]]] = {}
    for fault in error.errors():
        by_path.setdefault(_without_types(kind, fault["loc"]), []).append(dict(fault))
    return "\n".join(
        line
        for loc, faults in by_path.items()
        for line in (
            [_of_several_types(loc, faults, where)]
            if len(faults) > 1 and any(len(fault["loc"]) > len(loc) for fault in faults)
            else [_fault(kind, {**fault, "loc": loc}, where) for fault in faults]
        )
    )


def _without_types(kind: Any, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The place of a fault without the types that pydantic names in it where a field may have one of several."""
    path: list[str | int] = []
    for part in loc:
        kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        types = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        types = tuple(one for one in types if one is not type(None))
        if len(types) > 1:
            kind = None  # which of them is meant is not known
            continue
        path.append(part)
        fields = getattr(types[0], "model_fields", {})
        arguments = [one for one in get_args(types[0]) if one is not Ellipsis]
        kind = fields[part].annotation if part in fields else arguments[-1] if arguments else None
    return tuple(path)


def _of_several_types(loc: tuple[str | int, ...], faults: list[Mapping[str, Any]], where: str) -> str:
    """One line on a value that is of none of the types that its field may have."""
    path = ".".join([*([where] if where else []), *(str(part) for part in loc)])
    reasons = dict.fromkeys(
        f"it does not have the form {fault['ctx']['pattern']}"
        if fault["type"] == "string_pattern_mismatch"
        else fault["msg"][0].lower() + fault["msg"][1:]
        for fault in faults
    )
    return f"{path}: {_short(faults[0].get('input'))}: {', or '.join(reasons)}"


def _fault(kind: type[BaseModel], fault: Mapping[str, Any], where: str) -> str:
    path = ".".join([*([where] if where else []), *(str(part) for part in fault["loc"])])
    field, value, context = str(fault["loc"][-1]) if fault["loc"] else "", fault.get("input"), fault.get("ctx", {})
    match fault["type"]:
        case "extra_forbidden":
            return f"{path}: unknown field; the fields are: {nearest(field, _fields(kind, fault['loc'][:-1]))}"
        case "missing":
            return f"{path}: is missing"
        case "value_error":
            return f"{path}: {context['error']}" if path else str(context["error"])
        case "string_pattern_mismatch":
            return f"{path}: {_short(value)} does not have the form {context['pattern']}"
        case "literal_error":
            return f"{path}: {_short(value)} is none of {context['expected']}"
        case _:
            message = fault["msg"][0].lower() + fault["msg"][1:]
            return f"{path}: {_short(value)}: {message}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}… ({len(text):,} characters)"


def _fields(kind: Any, path: tuple[Any, ...]) -> list[str]:
    for part in path:
        annotation = kind.model_fields[part].annotation if isinstance(part, str) and part in kind.model_fields else None
        inner = [a for a in (annotation, *getattr(annotation, "__args__", ())) if hasattr(a, "model_fields")]
        kind = inner[0] if inner else kind
    return list(kind.model_fields)
