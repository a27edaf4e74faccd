"""Pretraining many models at once, each in a process of its own with one thread."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from ttt.lab.ladder import LabModel
from ttt.lab.store import LabStore

if TYPE_CHECKING:
    from ttt.lab.pretraining import Pretrained

N_STEPS_A_WORD = 10
"""Steps after which a worker reports how far it is."""

_steps: Any = None


def pretrain_all(
    models: Sequence[LabModel], store: LabStore, n_jobs: int, tick: Callable[[int], None]
) -> Iterator[tuple[LabModel, Pretrained]]:
    """The models as they are finished, the longest begun first; `tick` hears of steps taken.

    The first failure is raised, and what is under way is not waited for.
    """
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    steps: Any = context.Queue()
    pool = ProcessPoolExecutor(min(n_jobs, len(models)), context, _listen, (steps,))
    try:
        order = sorted(models, key=lambda model: -model.size.n_steps * (100 + model.size.width))
        working = {pool.submit(_work, model, store): model for model in order}
        while working:
            done, _ = wait(working, timeout=0.2, return_when=FIRST_COMPLETED)
            try:
                while True:
                    tick(steps.get_nowait())
            except queue.Empty:
                pass
            for future in done:
                yield working.pop(future), future.result()
    finally:
        pool.shutdown(wait=not any(future.running() for future in working), cancel_futures=True)
        for process in multiprocessing.active_children():
            if working:
                process.terminate()


def _listen(steps: Any) -> None:
    global _steps
    _steps = steps
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next model for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def _work(model: LabModel, store: LabStore) -> Pretrained:
    from ttt.lab.pretraining import pretrain  # torch and lightning: in the workers alone

    def on_step(step: Any) -> None:
        if step.step % N_STEPS_A_WORD == 0:
            _steps.put(N_STEPS_A_WORD)

    return pretrain(model, store, on_step)
