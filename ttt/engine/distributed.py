"""Several processes for one cell (torchrun): each runs the same program, and rank zero alone sees the store.

Every process composes, loads tasks and model, and lays out the same batches; each passes its own part of them, so that
prompts and scores do not depend on how many processes there are. What only rank zero sees (the store, its folder, the
terminal) reaches the others by `on_rank_zero` and `ttt.engine.at_rank_zero`. Functions that are *collective* must be
called by all processes, in the same order.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
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

    A process that fails alone ends, and the launcher then ends the others.
    """
    if n_asked() == 1:
        yield
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=LONGEST_WAIT)
    if rank():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # rank zero ends its step, saves and goes; that ends this one
        logging.disable(logging.WARNING)  # rank zero says the same
    yield
    barrier()
    dist.destroy_process_group()


def own_part(batches: Sequence[T]) -> Sequence[T]:
    """This process's part of batches that all of them know."""
    return batches[rank() :: n_ranks()]


def gather(answers: list[T]) -> list[T]:
    """The answers of all processes, in each of them. Collective."""
    if n_ranks() == 1:
        return answers
    of_ranks: list[Any] = [None] * n_ranks()
    dist.all_gather_object(of_ranks, answers)
    return [answer for of_rank in of_ranks for answer in of_rank]


def on_rank_zero(function: Callable[[], T]) -> T:
    """What the function returns at rank zero, where alone it is called. Collective.

    For what only rank zero may do or know: the value is pickled, and should be small. An exception of the function is
    raised in every process. A single process just calls the function.
    """
    if n_ranks() == 1:
        return function()
    outcome: list[Any] = [None, None]
    if rank() == 0:
        try:
            outcome[0] = function()
        except BaseException as error:
            outcome[1] = error
    sent = [_pickled(outcome)] if rank() == 0 else [None]
    dist.broadcast_object_list(sent)
    if rank():
        assert sent[0] is not None
        outcome = pickle.loads(sent[0])
    if outcome[1] is not None:
        raise outcome[1]
    value: T = outcome[0]
    return value


class RankZeroError(RuntimeError):
    """What rank zero raised, where that cannot be pickled."""


def _pickled(outcome: list[Any]) -> bytes:
    value, error = outcome
    try:
        content = pickle.dumps(outcome)
        pickle.loads(content)  # an exception that is pickled may still not come back
    except Exception:
        if error is None:
            raise
        content = pickle.dumps([value, RankZeroError(f"{type(error).__name__}: {error}")])
    return content


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
