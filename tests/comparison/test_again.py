"""What was asked is kept with a comparison, and the command that its report shows makes the same one."""

from __future__ import annotations

import html
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.stores import bench, item_table, made_models, planted, write
from ttt.cli.composition import Composer
from ttt.compare import COMMAND, Request, again, parse
from ttt.comparison.conclusions import from_json
from ttt.comparison.options import ConfoundAdjustments, Options
from ttt.spec import Tracking
from ttt.tracking import Tracker


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """Eight models on two benches, of which no file is shipped; the store's folder has a blank in its name."""
    cells = [
        replace(cell, items={side: item_table([1.0, 0.0, 1.0]) for side in ("base", "adjusted")})
        for cell in planted(made_models(8), theta=0.1)
    ]
    both = [*cells, *(replace(cell, bench=bench("sums_cloze", format="cloze")) for cell in cells)]
    return write(tmp_path_factory.mktemp("a store"), both)


def run(words: list[str], file: Path) -> Any:
    assert COMMAND._main([*words, f"output={file}"]) == 0
    return from_json(json.loads(file.read_text()))


def without_what_differs(conclusions: Any) -> Any:
    """But for the run, its page and the moment."""
    made = replace(conclusions.provenance, created="")
    conclusions = replace(conclusions, run_id=None, provenance=made)
    return replace(conclusions, report=None) if hasattr(conclusions, "report") else conclusions


ASKED = (
    [
        "+bench.name=sums", "exclude=[model-003]", "seed=7", "n_replicates=59", "n_permutations=2", "cutoff=2023-06",
        "policy=keep_best", "cluster=model", "confound=none", "inference=paper", "adjustment=full",
    ],
    ["+bench.name=sums", "split=family", "newer=[family-1,'family-2']", "n_replicates=19", "n_permutations=1"],
    ["benches=[sums,sums_cloze]", "n_replicates=29", "seed=3", "exclude=[model-001]"],
    ["reformulation=[sums_cloze,sums]", "n_replicates=29"],
    ["+bench.name=sums", "items=[model-000,model-001]", "seed=5"],
)  # fmt: skip


@pytest.mark.parametrize("asked", ASKED, ids=lambda words: words[0])
def test_the_command_of_a_comparison_makes_the_same_one(store: Tracker, asked: list[str], tmp_path: Path) -> None:
    first = run(["suite=made", f"tracking.root={store.root}", *asked], tmp_path / "first.json")
    words = shlex.split(first.provenance.command)
    assert words[:3] == ["python", "-m", "ttt.compare"]
    second = run(words[3:], tmp_path / "second.json")
    assert first.run_id != second.run_id
    assert without_what_differs(second) == without_what_differs(first)
    if first.kind == "comparison":
        page = Path(first.report).read_text(encoding="utf-8")
        shown = re.search(r"<h3>Again</h3><pre.*?><code>(.*?)</code>", page, re.DOTALL)
        assert shown
        assert html.unescape(shown[1]) == first.provenance.command


def test_all_that_was_asked_is_logged(store: Tracker, tmp_path: Path) -> None:
    first = run(["suite=made", f"tracking.root={store.root}", *ASKED[0]], tmp_path / "first.json")
    options = store.read_json(first.run_id, "options.json")
    assert options["bench"] == ["sums"]
    assert options["exclude"] == ["model-003"]
    assert {*Options.model_fields} <= set(options)
    logged = store.read_run(first.run_id)
    assert logged is not None
    params = logged.data.params
    assert (params["seed"], params["n_replicates"], params["cutoff"]) == ("7", "59", "2023-06")
    assert json.loads(params["exclude"]) == ["model-003"]
    assert {*Options.model_fields} <= set(params)


def test_the_shipped_config_has_the_options_own_defaults() -> None:
    assert parsed(["+bench.name=sums"]) == Request("bench", ("sums",), (), Options(), Tracking())


def parsed(words: list[str]) -> Request:
    composer = Composer("compare", words)
    (overrides,) = composer.requests()
    request = parse(composer.values(overrides)[0])
    assert isinstance(request, Request)
    return request


@pytest.mark.parametrize(
    "options",
    [
        {"cutoff": 1.5, "split": "dose"},
        {"cutoff": "2022-01", "newer": ("a b", "c,d", "it's", '"quoted"', "null", "1", "[x]", "${y}", "=")},
        {"final": True, "score_rule": "paper", "inference": "paper", "discriminator_examples": 64, "seed": -1},
        {"adjustment": "full", "confound_adjustments": ConfoundAdjustments(trained="t", trained_adjusted="u.v")},
        {"adjustment": "of_my_own", "exclude": ("0123456789abcdef0123456789abcdef", "1e5")},
    ],
)
@pytest.mark.parametrize(
    ("kind", "names", "models"),
    [("bench", ("gsm8k",), ()), ("bench", ("mine",), ()), ("versions", ("1.5",), ()), ("items", ("mine",), ("a", "2"))],
)
def test_every_option_is_read_back_as_it_was(
    options: dict[str, Any], kind: Any, names: tuple[str, ...], models: tuple[str, ...]
) -> None:
    request = Request(kind, names, models, Options(suite="s", **options), Tracking(root="/a b/c=d"))
    assert parsed(shlex.split(again(request))[3:]) == request


def test_no_password_is_shown() -> None:
    tracking = Tracking(uri="postgresql://me:secret@host/db")
    assert "secret" not in again(Request("bench", ("sums",), (), Options(), tracking))
    command = again(Request("bench", ("sums",), (), Options(), tracking))
    assert shlex.split(command)[-1] == 'tracking.uri="postgresql://me:***@host/db"'
