"""lm-eval's templates, in a sandbox: they come with benches that strangers write, and may compute but not reach out.

Two things differ from lm-eval's own environment, in whose place this one renders a bench's tasks
(`ttt.tasks.sandboxed`). Templates are compiled once; lm-eval compiles them anew for every document, most of what
prompts cost. And a value that is missing (None) is not printed: "D. None" would be asked as if it were an option.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import lm_eval.utils
from jinja2 import BaseLoader, StrictUndefined, Template
from jinja2.exceptions import UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment


class MissingValueError(UndefinedError):
    """A template prints a value that its row does not have."""


class Missing(StrictUndefined):
    """A value that is None: false, none and not defined in conditions, and an error wherever a text is made of it."""

    def __bool__(self) -> bool:  # type: ignore[override]
        return False

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        return other is None or isinstance(other, Missing)

    def __ne__(self, other: object) -> bool:  # type: ignore[override]
        return not self == other

    def __repr__(self) -> str:  # of a list that holds it
        return str(self)

    __hash__ = None  # type: ignore[assignment]


class _Template(Template):
    def render(self, *args: Any, **kwargs: Any) -> str:
        return super().render({name: _marked(value, name) for name, value in dict(*args, **kwargs).items()})


class _Environment(ImmutableSandboxedEnvironment):
    template_class = _Template

    @lru_cache(maxsize=4096)  # noqa: B019 - one environment, which lives as long as the process
    def from_string(self, source: Any, *args: Any, **kwargs: Any) -> Template:  # type: ignore[override]
        return super().from_string(source, *args, **kwargs)


def _marked(value: Any, name: Any) -> Any:
    """The value with each None in it, however deep, as a `Missing`."""
    if value is None:
        hint = f"{name!r} has no value (null, or a field that only other rows have)"
        return Missing(hint=hint, exc=MissingValueError)
    if isinstance(value, list):
        return [_marked(part, name) for part in value]
    if isinstance(value, dict):
        return {key: _marked(part, key) for key, part in value.items()}
    return value


def _is_none(value: Any) -> bool:
    return value is None or isinstance(value, Missing)


def _environment() -> _Environment:
    environment = _Environment(loader=BaseLoader(), undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters.update(lm_eval.utils.env.filters)
    environment.tests["none"] = _is_none
    return environment


ENVIRONMENT = _environment()


def template(text: str) -> Template:
    """The template of a text in lm-eval's dialect. Rendering raises jinja2's TemplateError for what it cannot print."""
    return ENVIRONMENT.from_string(text)
