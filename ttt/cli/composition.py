"""Composing a request from conf/, the user's own folders and the command line's overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.core.plugins import Plugins
from hydra.core.utils import setup_globals
from hydra.errors import HydraException, MissingConfigException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ttt.catalogue.consent import allow_environment, check_remote_code, leaves, plain_values, resolution_fault
from ttt.catalogue.definition_file import GROUPS, OUTSIDE, file_of, read_definition
from ttt.cli.overrides import as_written, quoted, quoting
from ttt.spec import SpecError, nearest

CONF = next(
    folder for folder in (Path(__file__).parents[2] / "conf", Path(__file__).parents[1] / "conf") if folder.is_dir()
)

SCORES_BENCHES = ("run",)
"""The commands whose `benches=[...]` names files of conf/bench; those of ttt.compare are names in the store."""


class OwnFolder(FileConfigSource):
    """A folder of the user's own, whose files are read as `read_definition` reads them."""

    @staticmethod
    def scheme() -> str:
        return "own"

    def load_config(self, config_path: str) -> ConfigResult:
        file = Path(self.path) / self._normalize_file_name(config_path)
        if ".." in Path(config_path).parts:
            raise SpecError(f"{file}: is not below {self.path}")
        config = read_definition(file, Path(config_path).parts[0])
        return ConfigResult(provider=self.provider, path=self.full_path(), config=config, header={"package": None})


class Composer:
    """What a command line says, composed.

    A multirun's values are composed one by one; what a file of the user's own may not do is refused before Hydra
    makes anything of it. Raises SpecError, as every method does, for an override that cannot be read.
    """

    def __init__(self, config: str, overrides: list[str], folder: str | None = None):
        self.config = config
        version.setbase("1.3")
        setup_globals()
        Plugins.instance().register(OwnFolder)
        texts = [as_written(text) for text in overrides]
        searched = [text for text in texts if text.split("=")[0].lstrip("+~") == "hydra.searchpath"]
        self.folders = [_folder(folder)] if folder else []
        places = create_config_search_path(str(CONF))
        for text in searched:
            for place in _names(_parse(OverridesParser.create(), text), "folders"):
                if str(place).startswith("pkg://"):
                    places.prepend("installed", place, SearchPathQuery(provider="schema"))
                else:
                    self.folders.append(_folder(str(place).removeprefix("file://")))
        for own in self.folders:
            places.prepend("own", f"own://{own}", SearchPathQuery(provider="schema"))
        self.loader = ConfigLoaderImpl(places)
        # The loader lists a group's files, for glob(...).
        parser = OverridesParser.create(config_loader=self.loader)
        given = [_parse(parser, text) for text in texts if text not in searched]
        self.benches = self._benches(given) if config in SCORES_BENCHES else []
        self.overrides = [o for o in given if not (self.benches and _field(o) == "benches")]
        allow_environment(self.texts, self._allowed())

    def _allowed(self) -> list[str]:
        """The names that `allow_env=[...]` holds."""
        given = [o for o in self.overrides if _field(o) == "allow_env"]
        return _names(given[-1], "names of environment variables") if given else []

    def _benches(self, overrides: list[Override]) -> list[str]:
        """The files of conf/bench that `benches=[...]` names; none where it is not given."""
        given = [o for o in overrides if _field(o) == "benches"]
        if not given:
            return []
        if len(given) > 1:
            raise SpecError("benches: is given twice; name all benches in one list")
        if given[0].is_delete() or any(_field(o) == "bench" for o in overrides):
            raise SpecError("bench and benches exclude each other: give bench=NAME or benches=[NAME,NAME]")
        value = given[0].value()
        choices = self.loader.get_group_options("bench")
        if isinstance(value, Glob):
            names = value.filter(choices)
        elif given[0].is_sweep_override():
            raise SpecError("benches: a multirun has one list for all its jobs: benches=[NAME,NAME]")
        else:
            names = _names(given[0], "names of benches")
        if not names:
            raise SpecError(f"{given[0].input_line}: names no bench; leave it out, or name some: benches=[NAME,NAME]")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SpecError(f"benches: {', '.join(twice)} is named twice")
        if unknown := [name for name in names if name not in choices]:
            raise SpecError(
                "\n".join(
                    f"benches: there is no {name!r}; the choices are: {nearest(name, choices)}" for name in unknown
                )
            )
        return names

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
            config = self.loader.load_configuration(self.config, overrides, run_mode=RunMode.RUN)
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
            raise SpecError(self._fault(str(error), str(cause))) from None
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
        if self.benches:
            for other in several[1:]:
                _check_equal_but_bench(values, other)
            values = {**values, "benches": [one["bench"] for one in several]}
            _check_names_differ(self.benches, values["benches"])
        return values, list(trusted)

    def _check_names(self, choices: Mapping[str, Any]) -> None:
        """Of two files with one name Hydra takes the first without a word."""
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

    def _fault(self, message: str, cause: str) -> str:
        """Hydra's message for an unknown key, with the keys that there are."""
        first = message.splitlines()[0].rstrip(".") if message else ""
        key = first.split("'")[1] if "'" in first else ""
        if "not in struct" in cause or "not in struct" in message or "Could not override" in first:
            parent, _, leaf = key.rpartition(".")
            plain = self.compose([])
            node = OmegaConf.select(plain, parent) if parent else plain
            if isinstance(node, DictConfig):
                place = f" of {parent}" if parent else ""
                return f"{key}: there is no such key; the keys{place} are: {nearest(leaf, map(str, node))}"
        return f"{first} ({cause.splitlines()[0]})" if cause and cause != message else first


def faults_by_bench(faults: Mapping[str, Sequence[str]], benches: Sequence[str]) -> str:
    """One message of faults, each with the benches that have it unless all do."""
    return "\n".join(
        fault if len(having) in (0, len(benches)) else f"bench={','.join(having)}: {fault}"
        for fault, having in faults.items()
    )


def _field(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def _check_equal_but_bench(first: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """SpecError where another field takes its value from the bench: `benches=[...]` asks for one adjustment."""
    for field in first:
        if field != "bench" and repr(first[field]) != repr(other[field]):
            raise SpecError(
                f"{field}: differs between bench '{first['bench'].get('name')}' and '{other['bench'].get('name')}', as "
                "it takes a value from the bench; with benches=[...] all have one: begin a command for each bench"
            )


def _check_names_differ(files: list[str], benches: list[Mapping[str, Any]]) -> None:
    names = dict[str, str]()
    for file, bench in zip(files, benches, strict=True):
        name = str(bench.get("name"))
        if name in names:
            raise SpecError(
                f"benches: {names[name]} and {file} both have the name {name!r}, by which their scores are kept"
            )
        names[name] = file


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


def _names(override: Override, what: str) -> list[str]:
    names = override.value()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SpecError(f"{override.input_line}: {what}, as a list, are wanted: {override.key_or_group}=[...]")
    return [str(name) for name in names]


def _folder(text: str) -> str:
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise SpecError(f"--config-dir: there is no folder {folder}")
    for file in [*folder.glob("*.yaml"), *folder.glob("hydra/**/*.yaml")]:
        shipped = CONF / file.relative_to(folder)
        if file.parent != folder or (shipped.is_file() and shipped.read_bytes() != file.read_bytes()):
            raise SpecError(f"{file}: {OUTSIDE}")
    return str(folder)


def _parse(parser: OverridesParser, text: str) -> Override:
    try:
        return parser.parse_overrides([text])[0]
    except HydraException as error:
        raise SpecError(f"an override cannot be read: {text}: {str(error).splitlines()[0]}{quoting(text)}") from None
