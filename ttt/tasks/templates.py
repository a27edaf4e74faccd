"""lm-eval's templates, in a sandbox: they come with benches that strangers write, and may compute but not reach out.

Two things differ from lm-eval's own environment, in whose place this one renders for lm-eval too. Templates are
compiled once; lm-eval compiles them anew for every document, most of what prompts cost. And a value that is missing
(None) is not printed: "D. None" would be asked as if it were an option.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import lm_eval.utils
from jinja2 import BaseLoader, StrictUndefined, Template, pass_eval_context
from jinja2.exceptions import UndefinedError
from jinja2.filters import do_join
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
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

    __hash__ = None  # type: ignore[assignment]


class _Context(Context):
    def resolve_or_missing(self, key: str) -> Any:
        value = super().resolve_or_missing(key)
        return _missing(key) if value is None else value


class _Environment(ImmutableSandboxedEnvironment):
    context_class = _Context

    def getitem(self, obj: Any, argument: Any) -> Any:
        value = super().getitem(obj, argument)
        return _missing(argument) if value is None else value

    def getattr(self, obj: Any, attribute: str) -> Any:
        value = super().getattr(obj, attribute)
        return _missing(attribute) if value is None else value

    @lru_cache(maxsize=4096)  # noqa: B019 - one environment, which lives as long as the process
    def from_string(self, source: Any, *args: Any, **kwargs: Any) -> Template:  # type: ignore[override]
        return super().from_string(source, *args, **kwargs)


def _missing(name: Any) -> Missing:
    hint = f"{name!r} has no value (null, or a field that only other rows have)"
    return Missing(hint=hint, exc=MissingValueError)


def _printed(value: Any) -> Any:
    if value is None:
        raise MissingValueError("a value that is null would be printed as 'None'")
    return value


@pass_eval_context
def _joined(context: EvalContext, value: Any, d: str = "", attribute: str | int | None = None) -> Any:
    return do_join(context, [_printed(part) for part in value], d, attribute)


def _is_none(value: Any) -> bool:
    return value is None or isinstance(value, Missing)


def _environment() -> _Environment:
    theirs = lm_eval.utils.env
    environment = _Environment(
        loader=BaseLoader(), undefined=StrictUndefined, keep_trailing_newline=True, finalize=_printed
    )
    environment.filters.update(theirs.filters)
    environment.filters["join"] = _joined
    environment.tests["none"] = _is_none
    return environment


ENVIRONMENT = _environment()


def render_in_sandbox() -> None:
    """Have lm-eval render in this environment from now on."""
    # It has no parameter for that. Every text that it renders goes through this variable of its module.
    lm_eval.utils.env = ENVIRONMENT


def template(text: str) -> Template:
    """The template of a text in lm-eval's dialect. Rendering raises jinja2's TemplateError for what it cannot print."""
    return ENVIRONMENT.from_string(text)
