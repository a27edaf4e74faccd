"""Where Hydra finds what a command line names: in `conf/`, and in folders and packages of the user's own.

Hydra is asked through what it offers for this: a source of configs, and a plugin that says where to look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin

from ttt.catalogue.definition_file import GROUPS, OUTSIDE, read_definition
from ttt.spec import SpecError

CONF = next(
    folder for folder in (Path(__file__).parents[2] / "conf", Path(__file__).parents[1] / "conf") if folder.is_dir()
)
"""`conf/` of a checkout, or the one that an installed package carries."""


class OwnFolder(ConfigSource):
    """A folder of the user's own, whose files are read as `read_definition` reads them."""

    @staticmethod
    def scheme() -> str:
        return "own"

    def load_config(self, config_path: str) -> ConfigResult:
        file = self._file(config_path)
        if ".." in Path(config_path).parts:
            raise SpecError(f"{file}: is not below {self.path}")
        config = read_definition(file, Path(config_path).parts[0])
        return ConfigResult(provider=self.provider, path=self.full_path(), config=config, header={"package": None})

    def available(self) -> bool:
        return self.is_group("")

    def is_group(self, config_path: str) -> bool:
        return (Path(self.path) / config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        # It is looked into first, so that the user's file wins, but only for files of a group.
        return Path(config_path).parts[0] in GROUPS and self._file(config_path).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        names = set()
        for file in (Path(self.path) / config_path).iterdir():
            if file.is_dir() and results_filter in (None, ObjectType.GROUP):
                names.add(file.name)
            if file.is_file() and file.suffix == ".yaml" and results_filter in (None, ObjectType.CONFIG):
                names.add(file.stem)
        return sorted(names)

    def _file(self, config_path: str) -> Path:
        return Path(self.path) / (config_path if config_path.endswith(".yaml") else f"{config_path}.yaml")


class OwnPlaces(SearchPathPlugin):
    """Adds the places that are `searched` to where Hydra looks: folders before `conf/`, packages after it."""

    folders: ClassVar[Sequence[str]] = ()
    packages: ClassVar[Sequence[str]] = ()

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in reversed(self.folders):
            search_path.prepend("own", f"{OwnFolder.scheme()}://{folder}")
        for package in self.packages:
            search_path.append("own", package)


@contextmanager
def searched(folders: Sequence[str], packages: Sequence[str]) -> Iterator[None]:
    """Within the body, whatever begins Hydra looks into the folders and into the packages (`pkg://name`) too."""
    for plugin in (OwnFolder, OwnPlaces):
        Plugins.instance().register(plugin)
    before = OwnPlaces.folders, OwnPlaces.packages
    OwnPlaces.folders, OwnPlaces.packages = folders, packages
    try:
        yield
    finally:
        OwnPlaces.folders, OwnPlaces.packages = before


def own_folder(text: str, option: str = "conf") -> str:
    """The absolute path of a folder of the user's own; SpecError if it is none, or sets what only ttt may."""
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise SpecError(f"{option}: there is no folder {folder}")
    for file in [*folder.glob("*.yaml"), *folder.glob("hydra/**/*.yaml")]:
        shipped = CONF / file.relative_to(folder)
        if file.parent != folder or (shipped.is_file() and shipped.read_bytes() != file.read_bytes()):
            raise SpecError(f"{file}: {OUTSIDE}")
    return str(folder)
