"""Simulated score tables whose truth is known, over the compute and families of conf/model or of a ladder of sizes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from ttt.stats.checks import Array

ROOT = Path(__file__).resolve().parents[2]
CUTOFF = "2023-11"


@dataclass(frozen=True)
class World:
    """A table to simulate: the truth (alpha, log10 c_e, spread of scores) and how alike the models of a family are."""

    name: str
    alpha: float
    kink: float
    spread: float
    theta: float
    correlation: float


@dataclass(frozen=True)
class Roster:
    """Models: log10 compute, newer (0 or 1), cluster labels, parameters (NaN: unknown), all of shape (n_models,)."""

    x: Array
    newer: Array
    labels: np.ndarray
    n_params: Array


def published_roster() -> Roster:
    """The public base models of conf/model."""
    files = (yaml.safe_load(path.read_text()) for path in sorted((ROOT / "conf" / "model").glob("*.yaml")))
    models = [model for model in files if model.get("kind") == "base" and model.get("hub")]
    return Roster(
        np.log10([6.0 * model["n_params"] * model["n_tokens"] for model in models]),
        np.array([float(str(model["trained"]) >= CUTOFF) for model in models]),
        np.array([model["family"] for model in models]),
        np.array([float(model["n_params"]) for model in models]),
    )


def ladder(n_per_family: int, n_families: int) -> Roster:
    """Ladders of sizes over two and a half decades of compute, half of the families newer."""
    sizes = np.linspace(20.0, 22.5, n_per_family)
    x = np.tile(sizes, n_families) + np.repeat(np.linspace(0.0, 0.1, n_families), n_per_family)
    family = np.repeat(np.arange(n_families), n_per_family)
    return Roster(x, np.asarray(family >= n_families // 2, float), family, np.full(len(x), np.nan))


def draw(roster: Roster, world: World, families: np.ndarray, rng: np.random.Generator) -> Array:
    """Scores above the floor: the hinge, theta, and noise that a family shares in part; less noise below the kink."""
    hinge = np.maximum(0.0, roster.x - world.kink)
    codes = np.unique(families, return_inverse=True)[1]
    shared, own = rng.standard_normal(codes.max() + 1)[codes], rng.standard_normal(len(roster.x))
    noise = np.sqrt(world.correlation) * shared + np.sqrt(1 - world.correlation) * own
    spread = np.where(hinge > 0, world.spread, world.spread / 3)
    return world.alpha * hinge + world.theta * roster.newer + spread * noise
