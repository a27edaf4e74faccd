"""Two processes of one thread against one process of one thread: equal scores, memory, seconds, a kill and a resume.

`python -m tests.performance.processes` prints the table of a random Llama of 213 million parameters, and fails where
the scores differ or a rank with shards takes more than 0.6 of what one process takes alone; `processes` is a line of
the table of speed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

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


WAYS = {"one process": (1, False), "two processes": (2, False), "two processes, sharded": (2, True)}
PHASES = ("load", "score", "step and checkpoint", "score on the way", "train", "score again", "save")
FREED_AT_ONCE = 2**18
"""Bytes: larger blocks go back to the system when they are freed, so that resident memory is what is in use."""
MOST = 0.6
"""Of one process's memory, for a rank with shards."""


def random_llama(folder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from tests.conftest import make_tiny_model

    AutoTokenizer.from_pretrained(make_tiny_model(folder / "tiny")).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=16384, hidden_size=1024, intermediate_size=2816, num_hidden_layers=14,
                         num_attention_heads=16, max_position_embeddings=512, bos_token_id=0, eos_token_id=0,
                         tie_word_embeddings=False, initializer_range=0.05)  # fmt: skip
    model = LlamaForCausalLM(config)
    print(f"{model.num_parameters():,} parameters, {model.num_parameters() * 4 / 2**20:,.0f} MiB of weights")
    model.save_pretrained(folder)


def ranks(model: Path, folder: Path, n: int, shard: bool, die_after: int = 0) -> tuple[list[dict[str, Any]], float]:
    """What each rank took (none if it was killed), and the seconds of the whole command."""
    folder.mkdir(parents=True, exist_ok=True)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"] if n > 1 else []
    options = ["--model", str(model), "--folder", str(folder), "--die-after", str(die_after)]
    command = [sys.executable, *launcher, "-m", "tests.performance.one_rank", *options, *["--shard"] * shard]
    start = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": str(FREED_AT_ONCE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    files = sorted(folder.glob("rank-*.json"))
    if die_after:
        assert done.returncode in (1, -signal.SIGKILL), done.stderr
        assert not files
    else:
        assert done.returncode == 0, done.stderr[-5000:]
    return [json.loads(file.read_text()) for file in files], seconds


def difference(a: list[Any], b: list[Any]) -> str:
    """Of two lists of (log-likelihood, greedy)."""
    if a == b:
        return "equal to the last bit"
    return f"at most {max(abs(x[0] - y[0]) for x, y in zip(a, b, strict=True)):.1e} apart"


def main() -> None:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as scratch:
        model = Path(scratch) / "model"
        random_llama(model)
        whole: dict[str, list[dict[str, Any]]] = {}
        for way, (n, shard) in WAYS.items():
            whole[way], seconds = ranks(model, Path(scratch) / way.replace(" ", "-"), n, shard)
            folder = Path(scratch) / f"{way.replace(' ', '-')}-killed"
            ranks(model, folder, n, shard, die_after=2)
            (again, *_), _ = ranks(model, folder, n, shard)
            first, alone = whole[way][0], whole["one process"][0]
            peaks = {phase: max(rank[phase]["peak"] for rank in whole[way]) for phase in PHASES}
            peak, peak_alone = max(peaks.values()), max(alone[phase]["peak"] for phase in PHASES)
            state = max(rank["state"] for rank in whole[way])
            print(f"\n{way}: {seconds:.0f} s in all")
            print(f"  weights, gradients, AdamW a rank: {state:,.0f} MiB ({state / alone['state']:.2f} of one process)")
            print(f"  memory a rank at most: {peak:,.0f} MiB ({peak / peak_alone:.2f} of one process)")
            for phase in PHASES:
                print(f"    {phase}: {peaks[phase]:,.0f} MiB, {first[phase]['seconds']:.1f} s")
            for side in ("base", "halfway", "adjusted"):
                print(f"  {side} scores: {difference(first[side], alone[side])} from one process")
            resumed = "the same weights" if again["digest"] == first["digest"] else "OTHER WEIGHTS"
            print(f"  killed after step 2 of 3, resumed: {again['n_steps']} steps taken again, {resumed}")
            assert first["base"] == alone["base"]
            assert again["digest"] == first["digest"]
            assert not shard or max(peak / peak_alone, state / alone["state"]) <= MOST


if __name__ == "__main__":
    main()
