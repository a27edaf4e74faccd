"""All that is kept in MLflow: runs, scores, tables, weights, registered versions. The only import of mlflow."""

import logging
import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
for name in ("alembic", "mlflow.store.db.utils", "mlflow.tracking.fluent"):
    logging.getLogger(name).setLevel(logging.WARNING)

from ttt.track.run_log import RunLog  # noqa: E402
from ttt.track.tracker import PARENT_ENV, Tracker, commit, last_step  # noqa: E402

__all__ = ["PARENT_ENV", "RunLog", "Tracker", "commit", "last_step"]
