"""Two processes of one thread against one process of one thread, start included: equal scores to the last item."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pandas as pd

from tests.performance.model import DATA, smollm
from tests.performance.pairs import Line, compare


def processes(rounds: int) -> Line:
    smol = ["model=smollm2-135m-instruct", *(f"model.{name}={value}" for name, value in smollm().items())]
    files = [f"bench.files.{split}={DATA}/mmlu/{split}.jsonl" for split in ("test", "dev")]
    cell = [*smol, "bench=mmlu", "bench.tasks=[mmlu_astronomy,mmlu_virology,mmlu_marketing]", "bench.limit=16", *files,
            "bench.files_by=subject", "adjustment=none", "trainer.threads=1", "trainer.precision=32",
            "trainer.eval_tokens=1024", "trainer.progress=false"]  # fmt: skip

    def run(n: int) -> pd.DataFrame:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"] if n > 1 else []
        with tempfile.TemporaryDirectory() as root:
            command = [sys.executable, *launcher, "-m", "ttt.run", *cell, f"tracking.root={root}"]
            subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
            return pd.read_parquet(next(Path(root).glob("artifacts/**/items/base.parquet")))

    def equal(a: pd.DataFrame, b: pd.DataFrame) -> str:
        return f"{sum(a.loc[i].equals(b.loc[i]) for i in a.index)} of {len(b)} items equal in every column"

    return compare(
        "MMLU, two processes (peer: ours, one process)", partial(run, 2), partial(run, 1), rounds, lambda: 0, 0, equal
    )
