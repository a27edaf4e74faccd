"""What MLflow's UI shows of an experiment before anybody has chosen columns."""

from __future__ import annotations

import base64
import json
import zlib


def experiment_tags() -> dict[str, str]:
    """Tags by which the UI shows an experiment as one of model training, and a saved view of its runs.

    The view `?viewStateShareKey=ttt` has the columns that cells are read by; the UI takes it in this packed form.
    """
    columns = ["metrics.`base/score`", "metrics.`adjusted/score`", "metrics.`gain/score`"]
    columns += [f"params.`{name}`" for name in ("model", "adjustment", "budget", "seed", "compute", "trained")]
    view = {
        "selectedColumns": columns,
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "searchFilter": "",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "startTime": "ALL",
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "columnOrder": columns,
    }
    packed = base64.b64encode(zlib.compress(json.dumps(view).encode())).decode()
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.sharedViewState.ttt": f"deflate;{packed}",
    }
