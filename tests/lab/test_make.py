"""What the Makefile asks of the lab is what its commands take, and ends in a comparison that has to be final."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from ttt.cli.composition import Composer
from ttt.lab.ladder import chosen

ROOT = Path(__file__).parents[2]


def commands(target: str, *settings: str) -> list[tuple[str, list[str]]]:
    """The commands of ttt that a target runs, with what they are given."""
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    said = subprocess.run(["make", "-n", target, *settings], capture_output=True, text=True, cwd=ROOT, check=True)
    found = re.findall(r"-m (ttt\.\w+) ([^\n]*?)(?:\) &&|\n)", said.stdout)
    return [(module, shlex.split(given)) for module, given in found]


@pytest.mark.parametrize("target", ["run", "doses"])
def test_every_command_is_one_that_is_taken(target: str) -> None:
    for module, given in commands(target, "LAB_SEED=9"):
        composer = Composer(module.removeprefix("ttt."), [text for text in given if text != "-m"])
        command = importlib.import_module(module).COMMAND
        requests = composer.requests()
        if target == "run":
            assert len(requests) == (len(chosen(["lab-old-*", "lab-new-*"])) if "-m" in given else 1)
        for overrides in (requests[0], requests[-1]):
            values, _ = composer.values(overrides)
            command.parse(values)
        suites = [text for text in given if text.startswith("suite=")]
        assert suites == ["suite=lab-s9" + ("-dose" if target == "doses" else "")]


def test_studies_come_first_and_the_last_comparison_has_to_be_final() -> None:
    """A cell takes its verdict from the studies that are there when it finishes; `final=true` refuses without them."""
    modules = [module for module, _ in commands("run")]
    assert modules == ["ttt.pretrain", "ttt.saturate", "ttt.run", "ttt.compare", "ttt.compare"]
    last = commands("run")[-1][1]
    assert {"final=true", "bench=lab_facts", "cluster=model"} <= set(last)
