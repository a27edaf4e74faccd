"""Several processes for one cell (torchrun): rank zero works as if alone, and the others do their share of its passes.

Rank zero lays out the batches before they are divided, so that prompts and scores do not depend on how many processes
there are. The others hold the same weights, know neither tasks nor MLflow, and do what they are told.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

LONGEST_WAIT = timedelta(days=7)
"""Rank zero prepares tasks and talks to MLflow while the others have nothing to do."""
T = TypeVar("T")


def n_asked() -> int:
    """Processes that a launcher began for this command."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def n_ranks() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def local_rank() -> int:
    """The place on this machine, and the number of the device to use."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextmanager
def together() -> Iterator[None]:
    """Within the body the processes of a launcher belong together; a single one is left as it is.

    An error in one is not told to the others: it ends, and with it the launcher ends them.
    """
    if n_asked() == 1:
        yield
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=LONGEST_WAIT)
    if rank():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # rank zero ends its step, saves and goes; that ends this one
    yield
    tell("end")
    dist.destroy_process_group()


def tell(what: str, *arguments: Any) -> None:
    """Rank zero: let the others do something, which it then does itself."""
    if n_ranks() > 1 and rank() == 0:
        dist.broadcast_object_list([what, arguments])


def follow(does: Mapping[str, Callable[..., None]], until: str = "end") -> None:
    """The others: do what rank zero tells."""
    while True:
        told: list[Any] = [None, None]
        dist.broadcast_object_list(told)
        what, arguments = told
        if what == until:
            return
        does[what](*arguments)


def own_part(batches: Sequence[T]) -> Sequence[T]:
    """This process's part of batches that all of them know."""
    return batches[rank() :: n_ranks()]


def gather(answers: list[T]) -> list[T]:
    """At rank zero the answers of all; elsewhere none. Collective."""
    if n_ranks() == 1:
        return answers
    of_ranks: list[Any] = [None] * n_ranks()
    dist.gather_object(answers, of_ranks if rank() == 0 else None)
    return [answer for of_rank in of_ranks for answer in of_rank or ()]


def on_rank_zero(function: Callable[[], T]) -> T:
    """What the function returns at rank zero, where alone it is called. Collective: every process calls this.

    For decisions that depend on what only rank zero sees (the store, the terminal, a folder); the value is pickled and
    should be small. A single process just calls the function. An exception of the function leaves rank zero as it is,
    and the others as `RankZeroFailed`.
    """
    if n_ranks() == 1:
        return function()
    outcome: list[Any] = [None, None]
    failure: BaseException | None = None
    if rank() == 0:
        try:
            outcome[0] = function()
        except BaseException as error:
            failure, outcome[1] = error, f"{type(error).__name__}: {error}"
    dist.broadcast_object_list(outcome)
    if failure is not None:
        raise failure
    if outcome[1] is not None:
        raise RankZeroFailed(outcome[1])
    result: T = outcome[0]
    return result


class RankZeroFailed(SystemExit):
    """Rank zero ends with an exception, which it reports itself; this process ends with it, without a word."""

    def __init__(self, reason: str):
        super().__init__(1)
        self.reason = reason


def any_rank(flag: bool) -> bool:
    """Whether the flag is set in any process. Collective."""
    if n_ranks() == 1:
        return flag
    total = torch.tensor(int(flag))
    dist.all_reduce(total)
    return bool(total)


def barrier() -> None:
    """Wait until all processes are here. Collective."""
    any_rank(False)


def add_up(loss: float, parameters: Iterable[torch.nn.Parameter]) -> float:
    """Sum the gradients of all processes in place, and the loss, which is returned. Collective."""
    if n_ranks() == 1:
        return loss
    for parameter in parameters:
        if parameter.grad is None:  # it had no batch in this step
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)
    total = torch.tensor(loss, dtype=torch.float64)
    dist.all_reduce(total)
    return float(total)
