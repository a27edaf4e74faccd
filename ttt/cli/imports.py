"""The heavy imports: torch, MLflow, transformers, Lightning and lm-eval make a million objects that stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Within the body no garbage is looked for, which takes a quarter of the time of an import and finds little.

    What the first such body leaves is never looked through again; of later ones, a model that is done with must be.
    """
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
        gc.enable()
