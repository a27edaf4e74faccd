"""What the rest of ttt knows of MLflow: a store's runs and their files, and its registered models."""

from __future__ import annotations

from ttt.spec import Tracking
from ttt.tracking.registry import Registry
from ttt.tracking.run_life import Runs


class Tracker(Runs):
    """One store: its runs, their artifacts, and its registry."""

    def __init__(self, tracking: Tracking, make: bool = True):
        super().__init__(tracking, make)
        self.registry = Registry(self)
