"""`benches=[...]`: one request on several benches. Which they are, and what must be the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Glob, Override

from ttt.spec import SpecError, nearest


def chosen_benches(overrides: Sequence[Override], loader: ConfigLoader) -> list[str]:
    """The files of conf/bench that `benches=[...]` or `benches=glob(...)` names; none where it is not given."""
    given = [override for override in overrides if field_of(override) == "benches"]
    if not given:
        return []
    if len(given) > 1:
        raise SpecError("benches: is given twice; name all benches in one list")
    if given[0].is_delete() or any(field_of(override) == "bench" for override in overrides):
        raise SpecError("bench and benches exclude each other: give bench=NAME or benches=[NAME,NAME]")
    value, choices = given[0].value(), loader.get_group_options("bench")
    if isinstance(value, Glob):
        names = value.filter(choices)
    elif given[0].is_sweep_override():
        raise SpecError("benches: a multirun has one list for all its jobs: benches=[NAME,NAME]")
    else:
        names = names_in(given[0], "names of benches")
    if not names:
        raise SpecError(f"{given[0].input_line}: names no bench; leave it out, or name some: benches=[NAME,NAME]")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SpecError(f"benches: {', '.join(twice)} is named twice")
    faults = [
        f"benches: there is no {name!r}; the choices are: {nearest(name, choices)}"
        for name in names
        if name not in choices
    ]
    if faults:
        raise SpecError("\n".join(faults))
    return names


def check_equal_but_bench(first: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """SpecError where another field takes its value from the bench: `benches=[...]` asks for one adjustment."""
    for field in first:
        if field != "bench" and repr(first[field]) != repr(other[field]):
            raise SpecError(
                f"{field}: differs between bench '{first['bench'].get('name')}' and '{other['bench'].get('name')}', as "
                "it takes a value from the bench; with benches=[...] all have one: begin a command for each bench"
            )


def check_names_differ(files: Sequence[str], benches: Sequence[Mapping[str, Any]]) -> None:
    """SpecError where two files, or an override, give two benches one name."""
    file_of = dict[str, str]()
    for file, bench in zip(files, benches, strict=True):
        name = str(bench.get("name"))
        if name in file_of:
            raise SpecError(
                f"benches: {file_of[name]} and {file} both have the name {name!r}, by which their scores are kept"
            )
        file_of[name] = file


def faults_by_bench(faults: Mapping[str, Sequence[str]], benches: Sequence[str]) -> str:
    """One message of faults, each with the benches that have it unless all do."""
    return "\n".join(
        fault if len(having) in (0, len(benches)) else f"bench={','.join(having)}: {fault}"
        for fault, having in faults.items()
    )


def field_of(override: Override) -> str:
    """The field that an override sets, adds or deletes."""
    return override.get_key_element().lstrip("+~")


def names_in(override: Override, what: str) -> list[str]:
    """The names in a list that an override gives."""
    names = override.value()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SpecError(f"{override.input_line}: {what}, as a list, are wanted: {override.key_or_group}=[...]")
    return [str(name) for name in names]
