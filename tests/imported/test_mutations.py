"""No value in a results file, whatever it is, stops the reading of the others."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.imported.made_results import N, lines, sample
from tests.ingested import write
from ttt.catalogue.definitions import Definitions
from ttt.cli.command import CONF
from ttt.imported.folder import files_of
from ttt.imported.omissions import Omissions
from ttt.imported.pattern import Pattern
from ttt.imported.reading import read_folder

numbers = st.one_of(st.integers(), st.just(10**400), st.floats(), st.booleans())
anything = st.recursive(
    st.none() | numbers | st.text(max_size=5) | st.sampled_from(["acc,none", "one", "letters"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    ):
        found += places(inner, (*path, name))
    return found


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for name in path[:-1]:
        value = value[name]
    value[path[-1]] = new


BOTH = {
    "results": {name: {"acc,none": 0.5, "acc_stderr,none": 0.1889822365046136} for name in ("one", "two", "all")},
    "group_subtasks": {"all": ["one", "two"], "one": []},
    "n-samples": {name: {"original": N, "effective": N} for name in ("one", "two")},
    "n-shot": {"one": 0, "two": 0, "all": 0},
    "config": {"limit": None},
    "chat_template": None,
}


@pytest.fixture
def definitions(conf: Path) -> Definitions:
    return Definitions([CONF, conf])


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_stops_the_reading(tmp_path: Path, definitions: Definitions, data: st.DataObject) -> None:
    told, items = json.loads(json.dumps(BOTH)), [sample(i) for i in range(N)]
    for target in data.draw(st.lists(st.sampled_from([told, told, items]), min_size=1, max_size=3)):
        spots = places(target)
        if spots:
            put(target, data.draw(st.sampled_from(spots)), data.draw(anything))
    here = tmp_path / "mutated"
    write(here / "tiny" / "results_1.json", told)
    for task in ("one", "two"):
        write(here / "tiny" / f"samples_{task}_1.jsonl", lines(items))
    omissions = Omissions()
    pattern = definitions.read("ingest", "harness", Pattern)
    for reading in read_folder(here, files_of(here)[0], [pattern], definitions, omissions, lambda i, n: None):
        assert 0 <= (reading.side["score"] or 0) <= 1
        assert all(value is None or math.isfinite(value) for value in reading.side.values())
        _measure(reading, tmp_path, omissions)
    json.dumps(omissions.skipped, ensure_ascii=False, allow_nan=False).encode()


def _measure(reading: Any, scratch: Path, omissions: Omissions) -> None:
    """Make a cell's items of a reading, as writing it does, without a store."""
    from ttt.imported.cells import cells_of
    from ttt.imported.write import items_of

    for measured in cells_of([reading], "theirs", omissions):
        for table in items_of(measured, scratch, omissions).values():
            assert table["correct"].mean() == pytest.approx(reading.side["score"])
