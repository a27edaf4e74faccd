"""All that is kept in MLflow: runs, scores, tables, weights, registered versions. The only import of mlflow."""

import logging
import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
for name in ("alembic", "mlflow.tracking.fluent"):
    logging.getLogger(name).setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it says with a traceback it raises as well

from mlflow.exceptions import MlflowException as WriteError  # noqa: E402

from ttt.tracking.connection import StoreError, is_of_the_store  # noqa: E402
from ttt.tracking.queries import last_step  # noqa: E402
from ttt.tracking.registry import Registry, Version, alias_of  # noqa: E402
from ttt.tracking.run_life import PARENT_ENV, commit  # noqa: E402
from ttt.tracking.run_log import RunLog  # noqa: E402
from ttt.tracking.tracker import Tracker  # noqa: E402

__all__ = [
    "PARENT_ENV",
    "Registry",
    "RunLog",
    "StoreError",
    "Tracker",
    "Version",
    "WriteError",
    "alias_of",
    "commit",
    "is_of_the_store",
    "last_step",
]
