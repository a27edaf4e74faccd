"""An object that only rank zero has, such as the store, and that the same program uses in every process."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, cast

from ttt.engine.distributed import n_ranks, on_rank_zero, rank

T = TypeVar("T")


def at_rank_zero(make: Callable[[], T], kind: type[T], parts: tuple[type, ...] = ()) -> T:
    """What `make` returns, made at rank zero alone. Collective; a single process has the object itself.

    Elsewhere, and at rank zero too, it is a stand-in for an object of that kind: each use of it is collective, its
    methods run at rank zero, and what they return or raise is broadcast. An object of one of the `parts`, which cannot
    be pickled, is a stand-in in its turn. A body that is left by an exception is left at rank zero alone, since the
    others may not have come that far.
    """
    if n_ranks() == 1:
        return make()
    made = make() if rank() == 0 else None
    return cast(T, _StandIn(kind, made, parts))


class _StandIn:
    def __init__(self, kind: type, target: Any, parts: tuple[type, ...]):
        self._kind, self._target, self._parts = kind, target, parts

    def __getattr__(self, name: str) -> Any:
        member = inspect.getattr_static(self._kind, name, None)
        if inspect.isfunction(member):
            is_body = inspect.isgeneratorfunction(inspect.unwrap(member))
            return partial(self._body if is_body else self._call, name)
        return self._result(lambda: getattr(self._target, name))

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        return self._result(lambda: getattr(self._target, name)(*arguments, **options))

    @contextmanager
    def _body(self, name: str, *arguments: Any, **options: Any) -> Iterator[Any]:
        body: Any = getattr(self._target, name)(*arguments, **options) if rank() == 0 else None
        entered = self._result(lambda: body.__enter__())
        try:
            yield entered
        except BaseException:
            if body is None or not body.__exit__(*sys.exc_info()):
                raise
        else:
            on_rank_zero(lambda: body.__exit__(None, None, None) and None)

    def _result(self, function: Callable[[], Any]) -> Any:
        """The function's result, or a stand-in for it where it belongs to rank zero."""
        own: list[Any] = []

        def shown() -> tuple[bool, Any]:
            own.append(function())
            stays = isinstance(own[0], self._parts)
            return stays, type(own[0]) if stays else own[0]

        stays, value = on_rank_zero(shown)
        return _StandIn(value, own[0] if own else None, self._parts) if stays else value
