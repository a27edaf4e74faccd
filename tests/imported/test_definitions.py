"""What paths of result files mean, and definitions read without composing them."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ttt.catalogue.definitions import Definitions
from ttt.cli.command import CONF
from ttt.imported.pattern import Pattern, Rule
from ttt.spec import Adjustment, Bench, SpecError, check


def test_patterns_say_what_paths_mean() -> None:
    published = Definitions([CONF]).read("ingest", "published", Pattern)
    means = {
        "base/llama-2-7b-mmlu.json": ("llama-2-7b", "mmlu", "none", None),
        "e1+2/gsm8kaux/olmo-1.7-7b-gsm8k.json": ("olmo-1.7-7b", "gsm8k", "epochs_1_2", None),
        "e1/mmluaux/gpt-j-6b-mmlu.json": ("gpt-j-6b", "mmlu", "epochs_1", None),
        "e2/mmluaux/gpt-j-6b-mmlu.json": ("gpt-j-6b", "mmlu", "epochs_2", None),
        "e3/mmluaux/gpt-j-6b-mmlu.json": ("gpt-j-6b", "mmlu", "full", None),
        "intermediate/mmluaux/evals/yi-6b/step_30/mmlu.json": ("yi-6b", "mmlu", "full", 1920),
        "e3/mmluaux/yi-6b-arc_challenge_mc.json": ("yi-6b", "arc_challenge_mc", "full", None),
        "new_evals/base/yi-6b-leaderboard_bbh_mmlu.json": ("yi-6b", "bbh_mmlu", "none", None),
        "new_evals/gsm8kaux/yi-6b-leaderboard_math_hard.json": ("yi-6b", "math_hard", "full", None),
        "a/notebooks/evaluations/base/yi-6b-mmlu.json": ("yi-6b", "mmlu", "none", None),
    }
    for path, meant in means.items():
        (meaning,) = published.meanings(path)
        assert (meaning.model, meaning.bench, meaning.adjustment, meaning.n_examples) == meant
        assert meaning.task_data == next((data for data in ("mmluaux", "gsm8kaux") if data in path), None)
    for path in ("e4/mmluaux/yi-6b-mmlu.json", "base/mmlu.json", "results/base/yi-6b-mmlu.json"):
        assert not published.meanings(path)


@pytest.mark.parametrize(
    ("rule", "message"),
    [("(?P<model>.+", "is no regular expression"), ("(?P<modell>.+)", "has a group 'modell'; the groups are: model")],
)
def test_a_faulty_pattern_is_told(rule: str, message: str) -> None:
    with pytest.raises(SpecError, match="path: ") as told:
        check(Rule, {"path": rule})
    assert message in str(told.value)


@pytest.mark.parametrize("group", ["bench", "adjustment"])
def test_definitions_are_what_hydra_composes(group: str) -> None:
    definitions = Definitions([CONF])
    kind = {"bench": Bench, "adjustment": Adjustment}[group]
    for name in definitions.names(group):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            composed = OmegaConf.to_container(compose(f"{group}/{name}")[group], resolve=True)
        assert definitions.read(group, name, kind) == check(kind, composed), name  # type: ignore[type-var, arg-type]
