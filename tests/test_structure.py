"""The floors hold, every module imports, every configuration composes."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import ttt
from ttt.command import CONF
from ttt.spec import Adjustment, Bench, Model, Tracking, Trainer, check

PACKAGE = Path(ttt.__file__).parent
MODULES = sorted(
    ".".join(("ttt", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
)

FLOORS = {
    **dict.fromkeys(("ttt.spec", "ttt.stats", "ttt.shown", "ttt.terminal", "ttt.output"), 0),
    **dict.fromkeys(("ttt.consent", "ttt.definition_file", "ttt.definitions", "ttt.hub"), 1),
    **dict.fromkeys(
        ("ttt.forms", "ttt.rows", "ttt.tasks", "ttt.identity", "ttt.result", "ttt.items", "ttt.harness"), 1
    ),
    **dict.fromkeys(("ttt.model_files", "ttt.scratch"), 1),
    "ttt.engine": 2,
    **dict.fromkeys(("ttt.track", "ttt.record", "ttt.done", "ttt.lab"), 3),
    **dict.fromkeys(
        ("ttt.report", "ttt.pipeline", "ttt.workbench", "ttt.comparison", "ttt.ingestion", "ttt.saturation"), 4
    ),
}
"""A module imports from its own floor and those below; what is not named is a command, on the fifth."""


def floor(module: str) -> int:
    name = ".".join(module.split(".")[:2])
    return FLOORS.get(name, 5)


def imports(module: str) -> set[str]:
    file = PACKAGE.joinpath(*module.split(".")[1:])
    tree = ast.parse((file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports_and_keeps_to_its_floor(module: str) -> None:
    importlib.import_module(module)
    names = imports(module)
    above = {name for name in names if name.startswith("ttt.") and floor(name) > floor(module)}
    assert not above, f"{module} (floor {floor(module)}) imports from above: {above}"
    roots = {name.split(".")[0] for name in names}
    if not module.startswith("ttt.track"):
        assert "mlflow" not in roots
    if floor(module) <= 1 or module.startswith("ttt.report"):
        assert not roots & {"torch", "pytorch_lightning", "transformers", "peft"}
    if floor(module) < 5:
        assert "hydra" not in roots


def test_what_needs_no_torch_does_not_import_it() -> None:
    light = [m for m in MODULES if m in ("ttt.run", "ttt.ingest", "ttt.compare", "ttt.comparison", "ttt.spec")]
    code = f"import sys; [__import__(m) for m in {light!r}]; assert 'torch' not in sys.modules, 'torch'"
    subprocess.run([sys.executable, "-c", code], check=True)


def files(group: str) -> list[str]:
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


KINDS = {"model": Model, "bench": Bench, "adjustment": Adjustment, "trainer": Trainer, "tracking": Tracking}


@pytest.mark.parametrize(("group", "name"), [(group, name) for group in KINDS for name in files(group)])
def test_every_choice_composes_and_is_valid(group: str, name: str) -> None:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("run", overrides=[f"{group}={name}"])
    values = OmegaConf.to_container(config[group], resolve=True)
    made = check(KINDS[group], values)  # type: ignore[type-var, arg-type]
    assert getattr(made, "name", name) == name


@pytest.mark.parametrize("name", files("task_data"))
def test_task_data_fits_every_bench(name: str) -> None:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("run", overrides=[f"task_data@bench={name}"])
    assert check(Bench, OmegaConf.to_container(config.bench, resolve=True)).task_data  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(file.stem for file in CONF.glob("*.yaml")))
def test_every_command_composes(name: str) -> None:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        compose(name)
