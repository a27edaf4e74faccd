"""The floors hold, every module imports, every configuration composes."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import ttt
from ttt.cli.command import CONF
from ttt.spec import Adjustment, Bench, Model, Tracking, Trainer, check

PACKAGE = Path(ttt.__file__).parent
MODULES = sorted(
    ".".join(("ttt", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
)

FLOORS = (
    ("faults",),
    ("resources",),
    ("spec", "masking", "stopping", "formatting", "stats"),
    ("files", "catalogue", "plotting"),
    ("cli", "tasks"),
    ("engine", "tracking"),
    ("cell", "lab"),
    ("study", "imported", "comparison"),
    ("report",),
    ("run", "compare", "saturate", "ingest", "pretrain"),
)
"""What is in `ttt/`, by floor: a module imports from its own subject and from the floors below."""
FLOOR_OF = {subject: number for number, floor in enumerate(FLOORS) for subject in floor}


def subject(module: str) -> str:
    return [*module.split("."), ""][1]


@cache
def tree_of(module: str) -> ast.Module:
    file = PACKAGE.joinpath(*module.split(".")[1:])
    return ast.parse((file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text())


def imports(module: str) -> set[str]:
    """Modules that a module imports, at its head or within a function."""
    names: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
            names |= inner or {node.module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports_and_keeps_to_its_floor(module: str) -> None:
    importlib.import_module(module)
    names = imports(module)
    if subject(module):
        own = FLOOR_OF[subject(module)]
        others = {name for name in names if subject(name) and name.startswith("ttt.")} - {module}
        above = {n for n in others if subject(n) != subject(module) and FLOOR_OF[subject(n)] >= own}
        assert not above, f"{module} (floor {own}) imports from its floor or above: {above}"
    roots = {name.split(".")[0] for name in names}
    if subject(module) != "tracking":
        assert "mlflow" not in roots
    if subject(module) not in ("engine", "cell", "study", "lab", "tasks"):
        assert not roots & {"torch", "pytorch_lightning", "transformers", "peft"}
    if subject(module) != "cli":
        assert "hydra" not in roots


@pytest.mark.parametrize("module", [module for module in MODULES if subject(module) != "tracking"])
def test_no_other_module_touches_an_mlflow_client(module: str) -> None:
    file = PACKAGE.joinpath(*module.split(".")[1:])
    tree = ast.parse((file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text())
    reached = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in ("client", "_client")]
    assert not reached, f"{module} reaches for an MLflow client, in the lines {reached}"
    assert "mlflow" not in {name.split(".")[0] for name in imports(module)}


def test_no_imports_go_in_a_circle() -> None:
    needs = {module: imports(module) & set(MODULES) - {module} for module in MODULES}
    while leaves := {module for module, needed in needs.items() if not needed & needs.keys()}:
        needs = {module: needed for module, needed in needs.items() if module not in leaves}
    assert not needs, f"these import each other in a circle, or what does: {sorted(needs)}"


RETIRED = {
    *("Plan", "Scores", "Rung", "Climber", "Climbed", "Follower", "Workbench", "WORDS"),
    *("climb", "follow", "follower", "found", "hold", "lend", "lent", "tell", "told", "waiting"),
}
"""Names that once meant two things, or were words of our own for what the field has a word for."""


def test_retired_names_stay_retired() -> None:
    faults = []
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            is_set = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            name = getattr(node, "name", None) or getattr(node, "arg", None) or (is_set and getattr(node, "id", None))
            if isinstance(name, str) and name.strip("_") in RETIRED:
                faults.append(f"{module}:{getattr(node, 'lineno', '?')}: {name}")
    assert not faults


def test_one_class_a_name() -> None:
    """But for what each command has of its own, under the same name."""
    places: dict[str, list[str]] = {}
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.ClassDef) and node.name.strip("_") != "Request":
                places.setdefault(node.name.strip("_"), []).append(module)
    assert not {name: of for name, of in places.items() if len(of) > 1}


def test_libraries_are_used_by_their_public_names() -> None:
    private = {
        f"{module}: {name}"
        for module in MODULES
        for name in imports(module)
        if not name.startswith("ttt") and any(part.startswith("_") and part != "__future__" for part in name.split("."))
    }
    assert not private


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
