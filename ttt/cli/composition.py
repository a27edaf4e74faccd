"""Composing a request from conf/, the user's own folders and the command line's overrides."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir, main
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ttt.catalogue.consent import allow_environment, check_remote_code, leaves, plain_values, resolution_fault
from ttt.catalogue.definition_file import GROUPS, file_of, in_place_of_shipped
from ttt.cli.arguments import as_written, quoted, quoting
from ttt.cli.benches import (
    check_equal_but_bench,
    check_names_differ,
    chosen_benches,
    faults_by_bench,
    field_of,
    names_in,
)
from ttt.cli.search_path import CONF, own_folder, searched
from ttt.spec import SpecError, nearest

HYDRA = "1.3"
"""The version of Hydra whose behaviour is asked for, whichever is installed."""
OWN_PLACES = ("conf", "hydra.searchpath")
"""The fields that name folders of the user's own, for every command: `conf=my` is Hydra's `--config-dir my`."""
SCORES_BENCHES = ("run",)
"""The commands whose `benches=[...]` names files of conf/bench; those of ttt.compare are names in the store."""


class Composer:
    """What a command line says, composed.

    What a file of the user's own may not do is refused before Hydra makes anything of it. Raises SpecError, as every
    method does, for an override that cannot be read.
    """

    def __init__(self, config: str, overrides: list[str], folder: str | None = None):
        self.config = config
        texts = [as_written(text) for text in overrides]
        places = [text for text in texts if text.split("=")[0].lstrip("+~") in OWN_PLACES]
        given = [_parse(OverridesParser.create(), text) for text in places]
        named = [place for o in given if field_of(o) != "conf" for place in names_in(o, "folders")]
        self.packages = [place for place in named if place.startswith("pkg://")]
        self.folders = [own_folder(folder, "--config-dir")] if folder else []
        for override in given:
            if field_of(override) == "conf" and (value := override.value()) is not None:
                values = names_in(override, "folders") if isinstance(value, list) else [str(value)]
                self.folders += [own_folder(value) for value in values]
        self.folders += [
            own_folder(place.removeprefix("file://"), "hydra.searchpath")
            for place in named
            if place not in self.packages
        ]
        self.folders = list(dict.fromkeys(self.folders))
        with self.hydra() as loader:
            # The loader lists a group's files, for glob(...).
            parser = OverridesParser.create(config_loader=loader)
            given = [_parse(parser, text) for text in texts if text not in places]
            self.benches = chosen_benches(given, loader) if config in SCORES_BENCHES else []
        self.replacing = in_place_of_shipped([CONF, *map(Path, self.folders)])
        self.overrides = [o for o in given if not (self.benches and field_of(o) == "benches")]
        for override in self.overrides:
            if re.match(r"hydra[./]sweeper(?!\.max_batch_size$)", field_of(override)):
                raise SpecError(
                    f"{override.input_line}: a multirun goes through all values that are given as field=a,b, composed "
                    "and checked before its first job; there is no other sweeper (ttt.saturate searches)"
                )
        allow_environment(self.texts, self._allowed())

    @contextmanager
    def hydra(self) -> Iterator[ConfigLoader]:
        """Within the body Hydra composes from `conf/` and the places that the command line names."""
        with searched(self.folders, self.packages), initialize_config_dir(str(CONF), version_base=HYDRA):
            yield GlobalHydra.instance().config_loader()

    def begin_hydra(self, config: str, argv: list[str], task: Callable[[DictConfig], None]) -> None:
        """Have Hydra do what a command line of its own says; it takes that from `sys.argv`, and from nowhere else."""
        argv_before, environment_before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
        sys.argv = [f"ttt.{self.config}", *argv, f"hydra.job.name=ttt.{self.config}"]
        os.environ["HYDRA_FULL_ERROR"] = "1"  # an error is raised, instead of printed before the process is ended
        try:
            with searched(self.folders, self.packages):
                main(str(CONF), config, HYDRA)(task)()
        finally:
            sys.argv = argv_before
            os.environ.pop("HYDRA_FULL_ERROR")
            if environment_before is not None:
                os.environ["HYDRA_FULL_ERROR"] = environment_before

    def _allowed(self) -> list[str]:
        """The names in `allow_env=[...]`."""
        given = [o for o in self.overrides if field_of(o) == "allow_env"]
        return names_in(given[-1], "names of environment variables") if given else []

    @property
    def texts(self) -> list[str]:
        """All overrides but `benches=[...]`, as they are given to Hydra."""
        return [str(override.input_line) for override in self.overrides]

    @property
    def hydra_texts(self) -> list[str]:
        """The overrides of Hydra's own settings: the launcher, and how many jobs it runs side by side."""
        return [str(override.input_line) for override in self.overrides if override.is_hydra_override()]

    @property
    def benches_text(self) -> list[str]:
        """`benches=[...]` as an override, where it was given."""
        return [f"benches=[{','.join(map(quoted, self.benches))}]"] if self.benches else []

    @cached_property
    def sweeps(self) -> list[tuple[Override, list[str]]]:
        """The overrides with several values, and these."""
        swept = [(o, list(o.sweep_string_iterator())) for o in self.overrides if o.is_sweep_override()]
        for override, values in swept:
            if not values:
                raise SpecError(f"{override.input_line}: there is nothing that fits")
            if sum(other.get_key_element() == override.get_key_element() for other in self.overrides) > 1:
                raise SpecError(f"{override.get_key_element()}: is given twice; give all its values at once")
            if override.is_hydra_override():
                raise SpecError(f"{override.input_line}: Hydra's own settings have one value for all jobs")
        return swept

    def requests(self) -> list[list[str]]:
        """The overrides of each job of a multirun, in Hydra's order: one for each combination of the values swept over.

        Without a sweep these are the overrides of the one request.
        """
        values = {id(override): choices for override, choices in self.sweeps}
        each = [
            [f"{o.get_key_element()}={value}" for value in values[id(o)]] if id(o) in values else [str(o.input_line)]
            for o in self.overrides
        ]
        return [list(texts) for texts in product(*each)]

    def compose(self, overrides: list[str]) -> DictConfig:
        """The config without Hydra's own part."""
        try:
            with self.hydra():
                config = compose(self.config, overrides, return_hydra_config=True)
        except MissingConfigException as error:
            missing = error.missing_cfg_file or ""
            group, _, value = missing.rpartition("/")
            choices = [str(option) for option in error.options or ()]
            raise SpecError(
                f"{group or 'config'}: there is no {value!r}; the choices are: {nearest(value, choices)}"
            ) from None
        except RecursionError:
            raise SpecError("a file of your own names itself among its defaults") from None
        except SpecError:
            raise
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            cause = error.__cause__ or error
            raise SpecError(self._fault(str(error), str(cause), overrides)) from None
        self._check_names(config.hydra.runtime.choices)
        with open_dict(config):
            del config["hydra"]
        return config

    def configs(self, overrides: list[str]) -> list[DictConfig]:
        """What one request composes: a config for each of `benches=[...]`, or the only one."""
        if not self.benches:
            return [self.compose(overrides)]
        configs, faults = [], dict[str, list[str]]()
        for name in self.benches:
            try:
                configs.append(self.compose([*overrides, f"bench={quoted(name)}"]))
            except SpecError as error:
                for fault in str(error).splitlines():
                    faults.setdefault(fault, []).append(name)
        if faults:
            raise SpecError(faults_by_bench(faults, self.benches))
        return configs

    def values(self, overrides: list[str]) -> tuple[dict[str, Any], list[str]]:
        """The resolved values, and what the overrides trust, for people.

        Where `benches=[...]` was given, `benches` holds the fields of each, as `bench` would with `bench=NAME` and the
        same overrides; `bench` is the first of them.
        """
        return self.merged(self.configs(overrides), overrides)

    def merged(self, configs: list[DictConfig], overrides: list[str]) -> tuple[dict[str, Any], list[str]]:
        """As `values`, of what `configs` composed."""
        several, trusted = [], dict[str, None]()
        for config in configs:
            several.append(resolved(config))
            trusted.update(dict.fromkeys(check_remote_code(several[-1], said(overrides))))
        values = several[0]
        if "conf" in values:  # of a command that reads files of conf/ by what it finds
            values = {**values, "conf": self.folders}
        if self.benches:
            for other in several[1:]:
                check_equal_but_bench(values, other)
            values = {**values, "benches": [one["bench"] for one in several]}
            check_names_differ(self.benches, values["benches"])
        return values, list(trusted)

    def _check_names(self, choices: Mapping[str, Any]) -> None:
        """Of two files of the user's own with one name Hydra takes the first without a word."""
        for group, name in choices.items():
            group = str(group).partition("@")[0]
            if not isinstance(name, str):
                continue
            if ".." in Path(name).parts:
                raise SpecError(f"{group}: {name!r} is no name of a file of the group")
            if group not in GROUPS:
                continue
            places = [CONF, *map(Path, self.folders)]
            file_of(places, group, name)

    def _fault(self, message: str, cause: str, overrides: list[str]) -> str:
        """Hydra's message for an unknown key, with the keys that there are."""
        first = message.splitlines()[0].rstrip(".") if message else ""
        key = first.split("'")[1] if "'" in first else ""
        if "not in struct" in cause or "not in struct" in message or "Could not override" in first:
            parent, _, leaf = key.rpartition(".")
            plain = self._choices_alone(overrides, key)
            node = OmegaConf.select(plain, parent) if parent else plain
            if isinstance(node, DictConfig):
                place = f" of {parent}" if parent else ""
                return f"{key}: there is no such key; the keys{place} are: {nearest(leaf, map(str, node))}"
        return f"{first} ({cause.splitlines()[0]})" if cause and cause != message else first

    def _choices_alone(self, overrides: list[str], but: str) -> DictConfig:
        """The config of the chosen files (`bench=mmlu`), without overrides of their fields and of the field `but`."""
        chosen = [text for text in overrides if re.match(r"[\w@/]+=", text) and text.partition("=")[0] != but]
        try:
            return self.compose(chosen if len(chosen) < len(overrides) else [])
        except SpecError:
            return self.compose([])


def said(overrides: Sequence[str]) -> set[tuple[str, ...]]:
    """The paths of all values that stand in the overrides themselves, rather than in a file that they name."""
    paths: set[tuple[str, ...]] = set()
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = tuple(override.key_or_group.replace("[", ".").replace("]", "").split("."))
        paths |= {path for path, _ in leaves(override.value(), key)}
    return paths


def resolved(config: DictConfig) -> dict[str, Any]:
    """The values of a config, interpolations resolved; SpecError naming the field of one that cannot be."""
    try:
        return plain_values(config)
    except OmegaConfBaseException as error:
        field = f"{error.full_key}: " if error.full_key else ""
        raise SpecError(f"{field}{resolution_fault(error)}") from None


def _parse(parser: OverridesParser, text: str) -> Override:
    try:
        return parser.parse_overrides([text])[0]
    except HydraException as error:
        raise SpecError(f"an override cannot be read: {text}: {str(error).splitlines()[0]}{quoting(text)}") from None
