"""Whether the hub answers: asked once, before anything is loaded from it."""

from __future__ import annotations

import os
import threading
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ttt.spec import Cell

SECONDS = 3.0
OFFLINE_ENV = "HF_HUB_OFFLINE"
YES = ("1", "ON", "YES", "TRUE")


def work_offline_if_silent(cell: Cell) -> None:
    """Where a cell needs the hub and the hub does not answer, say so to its libraries: then they ask it nothing.

    They would try again for minutes, each in its own words. Called before they are imported, which is when they look.
    """
    if os.environ.get(OFFLINE_ENV, "").upper() in YES or not _needs_hub(cell):
        return
    answered = threading.Event()
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    # In a thread: looking up a name takes its own time.
    asking = threading.Thread(target=_ask, args=(endpoint, answered), daemon=True)
    asking.start()
    asking.join(SECONDS)
    if not answered.is_set():
        os.environ[OFFLINE_ENV] = "1"


def _needs_hub(cell: Cell) -> bool:
    model = cell.model.path is None and cell.model.version is None
    trains = cell.adjustment.method != "none"
    return model or not cell.bench.files or (trains and any(not dataset.files for dataset in cell.bench.task_data))


def _ask(endpoint: str, answered: threading.Event) -> None:
    try:
        urlopen(Request(endpoint, method="HEAD"), timeout=SECONDS).close()
    except HTTPError:  # an answer too
        answered.set()
    except (OSError, ValueError):
        return
    answered.set()
