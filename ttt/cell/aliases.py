"""Which version of a registered model an alias names: a rule over the tags of the versions, and nothing else.

`adjusted-<task data>` is the adjusted model of best standing on the task data: one that was trained on no question of a
test goes before one that was, then the one of the larger budget, then the one of the lower seed, then the newer one.
`final-<bench>` is the same among the versions that are saturated on the bench; it stays with the recipe that has it as
long as one version of that recipe is. In whatever order jobs finish, the alias ends at the same version, but for
recipes that differ at one budget and seed. A version that began from another one has neither, nor has one whose
training was superseded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ttt.tracking import Tracker, Version, alias_of

log = logging.getLogger(__name__)

FROM_VERSION = "ttt.from_version"
"""The tag of a version that began from another version, with its number."""
LEAKS = "ttt.leaks_trained_on"
"""The tag of a version that was trained on questions of a test (`bench.leak=report`), with the bench."""
SUPERSEDED_BY = "ttt.superseded"
"""The tag of a version whose training was superseded, with the number of the version of the new one."""
TASK_DATA, RECIPE, BUDGET, SEED = "ttt.task_data", "ttt.recipe", "ttt.budget", "ttt.seed"


def settle_adjusted(tracker: Tracker, model: str, task_data: str) -> None:
    """Give `adjusted-<task data>` to the version that it means now."""

    def choose(versions: Sequence[Version]) -> Version | None:
        on_these = [one for one in _of_the_model(versions) if one.tags.get(TASK_DATA) == task_data]
        return max(on_these, key=_standing, default=None)

    _settle(tracker, model, alias_of("adjusted", task_data), choose)


def settle_final(tracker: Tracker, model: str, bench: str) -> None:
    """Give `final-<bench>` to the version that it means now, or take it away where there is none."""
    alias = alias_of("final", bench)

    def choose(versions: Sequence[Version]) -> Version | None:
        saturated = [one for one in _of_the_model(versions) if bench in saturated_on(one)]
        recipes = {one.tags.get(RECIPE) for one in versions if alias in one.aliases}
        of_recipe = [one for one in saturated if one.tags.get(RECIPE) in recipes]
        return max(of_recipe or saturated, key=_standing, default=None)

    _settle(tracker, model, alias, choose)


def saturated_on(version: Version) -> set[str]:
    """The benches on which the version is shown to be saturated, in whatever suite."""
    tags = {name: value for name, value in version.tags.items() if name.startswith("saturated/")}
    return {name.rpartition("/")[2] for name, value in tags.items() if value == "yes"}


def described(version: Version) -> str:
    """What made the weights of a version, in words."""
    tags = version.tags
    if tags.get("ttt.kind") == "base":
        return "the base model"
    parts = [tags.get("ttt.adjustment", "an adjustment"), f"on {tags[TASK_DATA]}" if TASK_DATA in tags else ""]
    known = ((BUDGET, "{} examples"), (SEED, "seed {}"), (RECIPE, "recipe {:.8}"), (FROM_VERSION, "from version {}"))
    parts = [" ".join(filter(None, parts)), *(text.format(tags[name]) for name, text in known if name in tags)]
    parts += [f"trained on leaked questions of {tags[LEAKS]}"] if LEAKS in tags else []
    return ", ".join(parts)


def _of_the_model(versions: Sequence[Version]) -> list[Version]:
    """Those that the model itself has come to be by adjusting, and that no later training has replaced."""
    return [one for one in versions if FROM_VERSION not in one.tags and SUPERSEDED_BY not in one.tags]


def _standing(version: Version) -> tuple[bool, int, int, int]:
    tags = version.tags
    return LEAKS not in tags, int(tags.get(BUDGET, 0)), -int(tags.get(SEED, 0)), version.number


def _settle(tracker: Tracker, model: str, alias: str, choose: Callable[[Sequence[Version]], Version | None]) -> None:
    former, now = tracker.registry.settle_alias(model, alias, choose)
    if former and now:
        what = f"is {now.label} now ({described(now)}), no longer version {former.number} ({described(former)})"
    elif former:
        what = f"was {former.label} ({described(former)}), which it is no longer, nor is another version"
    else:
        return
    log.warning(f"{alias} {what}")
