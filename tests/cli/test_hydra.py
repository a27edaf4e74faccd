"""Hydra, asked through its public interface; and what it would do in its own way, which is refused."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.cli.test_composition import own
from tests.test_masking import echo
from ttt.cli.composition import Composer
from ttt.cli.search_path import CONF
from ttt.spec import SpecError


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "ttt").rglob("*.py")), ids=lambda file: file.stem)
def test_of_hydra_and_omegaconf_the_public_interface_is_used(file: Path) -> None:
    tree = ast.parse(file.read_text())
    named = [
        f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    private = [name for name in named if name.split(".")[0] in ("hydra", "omegaconf") and "._" in name]
    assert private == []
    if file.parent.name in ("cli", "catalogue"):
        reached = [
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self")
        ]
        private = [name for name in reached if name.startswith("_") and not name.startswith("__")]
        assert set(private) <= {"_replace", "_exit"}, "which are public: of named tuples, and of the system"


def test_a_wrong_field_is_answered_with_those_of_what_was_chosen() -> None:
    with pytest.raises(SpecError, match=r"bench.files.nope: there is no such key; the keys of bench.files are: "):
        own(CONF, "bench=mmlu", "bench.files.nope=x")
    keys = r"bench.task_data.0.nope: there is no such key; the keys of bench.task_data.0 are: name, .*split"
    with pytest.raises(SpecError, match=keys):
        own(CONF, "bench=arc_challenge_mc", "bench.task_data.0.nope=x")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["hydra/sweeper=other"], "a multirun goes through all values"),
        (["hydra.sweeper.params={seed: 1}"], "a multirun goes through all values"),
        (["hydra.launcher.n_jobs=1,2"], "Hydra's own settings have one value"),
        (["seed=1,2", "seed=3"], "seed: is given twice"),
    ],
)
def test_what_hydra_would_do_with_jobs_in_its_own_way_is_refused(overrides: list[str], expected: str) -> None:
    with pytest.raises(SpecError, match=expected):
        _ = Composer("run", overrides).sweeps


def test_shell_completion_is_hydras(tmp_path: Path) -> None:
    done = echo(tmp_path, "--shell-completion", "install=bash")
    assert done.returncode == 0, done.stderr
    assert "hydra_bash_completion" in done.stdout
