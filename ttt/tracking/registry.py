"""Registered models: the versions of a model's weights, by number or alias."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from ttt.files.hashing import json_digest
from ttt.files.model_source import folder_source
from ttt.spec import SpecError, nearest
from ttt.tracking.queries import SUPERSEDED
from ttt.tracking.run_life import Runs

DIGEST, FILES, ADJUSTED_MODEL = "ttt.digest", "ttt.files", "ttt.adjusted_model"
"""Version tags: the digest of the weights, that of their files, and the key of the adjusted model."""


MAX_ALIAS = 255
"""Characters of an alias that MLflow takes."""


@dataclass(frozen=True)
class Version:
    """A version of a registered model: weights that a run has kept, and what is known of them."""

    model: str
    number: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str] = field(repr=False)
    run_id: str
    source: str
    """Where MLflow says that the weights are."""

    @property
    def path(self) -> str:
        """The folder of the weights among the artifacts of the run."""
        return self.source.rstrip("/").rpartition("/artifacts/")[2] or self.source.rpartition("/")[2]

    @property
    def label(self) -> str:
        return f"version {self.number} of '{self.model}'"


def alias_of(prefix: str, name: str) -> str:
    """The alias `<prefix>-<name>`, by which no two names are one: MLflow's aliases hold letters, digits, `_` and `-`.

    Any other character is written as `_x2e_`, with its code, and so is a `_` before an x.
    """
    assert re.fullmatch(r"[a-z]+", prefix), prefix
    alias = f"{prefix}-" + re.sub(r"[^A-Za-z0-9_-]|_(?=x)", lambda match: f"_x{ord(match[0]):x}_", name)
    return alias if len(alias) <= MAX_ALIAS else f"{alias[: MAX_ALIAS - 22]}_h{json_digest(alias)}"


class Registry:
    """The registered models of a store."""

    def __init__(self, store: Runs):
        self._store = store

    def models(self) -> list[str]:
        return sorted(self._models())

    def versions(self, model: str) -> list[Version]:
        """All versions of a model, oldest first; none if there is no such model."""
        registered = self._models(f"name = '{model}'").get(model)
        return [] if registered is None else self._versions(registered)

    def with_alias(self, alias: str) -> list[Version]:
        """The versions that have an alias, one a model at most, ordered by model."""
        models = self._models()
        return [
            version
            for name in sorted(models)
            if alias in models[name].aliases
            for version in self._versions(models[name])
            if alias in version.aliases
        ]

    def find(self, model: str, which: int | str) -> Version:
        """A version by its number or alias; SpecError names the ones there are."""
        versions = self.versions(model)
        wanted = str(which)
        by_number = [version for version in versions if str(version.number) == wanted]
        prefix, _, name = wanted.partition("-")
        names = {wanted, alias_of(prefix, name)} if name and prefix.isalpha() and prefix.islower() else {wanted}
        by_alias = [version for version in versions if names & set(version.aliases)]
        if not (by_number or by_alias):
            if not versions:
                there = nearest(model, self.models(), 8) or "none"
                raise SpecError(f"model.version: there is no registered model '{model}'; registered are: {there}")
            shown = [", ".join([str(version.number), *version.aliases]) for version in versions]
            raise SpecError(f"model.version: '{model}' has no version {which}; its versions are: {'; '.join(shown)}")
        return (by_number or by_alias)[0]

    def register(
        self, model: str, run_id: str, path: str, tags: Mapping[str, str], aliases: Iterable[str] = ()
    ) -> Version:
        """The version of a model whose weights are in a run's artifacts at `path`; it gets the tags.

        The same weights, by the tags `ttt.adjusted_model` and `ttt.digest`, or else by their run and path, are one
        version, whoever registers them again, as long as the run that has kept them has them. A version that is made
        takes the aliases; one that is registered again takes those that no other version has meanwhile.
        """
        client = self._store.client
        with self._store.own_lock():
            try:
                client.create_registered_model(model)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            there = next(
                (v for v in self.versions(model) if _is_same(v, run_id, path, tags) and self._is_kept(v)), None
            )
            is_new = there is None
            if there is None:
                source = f"{client.get_run(run_id).info.artifact_uri}/{path}"
                made = client.create_model_version(model, source=source, run_id=run_id)
                there = _version(made, ())
            elif there.run_id != run_id:  # its files stay those of the run that has them
                tags = {name: value for name, value in tags.items() if name != FILES or name not in there.tags}
            self.set_tags(there, tags)
            taken = {alias for version in self.versions(model) for alias in version.aliases}
            for alias in aliases:
                if is_new or alias not in taken:
                    self.set_alias(there, alias)
        return self.find(model, there.number)

    def set_tags(self, version: Version, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            if version.tags.get(name) != value:
                self._store.client.set_model_version_tag(version.model, str(version.number), name, value)

    def set_alias(self, version: Version, alias: str) -> None:
        """Give a version an alias, which it takes from another version of its model that has it."""
        self._store.client.set_registered_model_alias(version.model, alias, str(version.number))

    def drop_alias(self, version: Version, alias: str) -> None:
        """Take an alias from a version; another version that has it meanwhile keeps it."""
        if alias in self.find(version.model, version.number).aliases:
            self._store.client.delete_registered_model_alias(version.model, alias)

    def settle_alias(
        self, model: str, alias: str, choose: Callable[[Sequence[Version]], Version | None]
    ) -> tuple[Version | None, Version | None]:
        """Give an alias to the version of a model that `choose` takes of all; None takes it away.

        Returns the version that had it and the one that has it, (None, None) where nothing was taken from any. No other
        process gives aliases meanwhile.
        """
        with self._store.own_lock():
            versions = self.versions(model)
            former = next((one for one in versions if alias in one.aliases), None)
            now = choose(versions)
            if (former is None and now is None) or (former and now and former.number == now.number):
                return None, None
            if now:
                self.set_alias(now, alias)
            elif former:
                self.drop_alias(former, alias)
            return former, now

    def folder(self, version: Version) -> Path:
        """The folder of a version's weights, whose files are those that were kept. SpecError says what became of it."""
        what = f"model.version: {version.label}"
        run = self._store.read_run(version.run_id)
        if run is None:
            raise SpecError(f"{what} belongs to run {version.run_id or '(none)'}, which is not there")
        if run.info.lifecycle_stage == "deleted":
            raise SpecError(f"{what} belongs to run {version.run_id}, which was deleted")
        kept = version.tags.get(FILES)
        folder = self._store.artifact(version.run_id, version.path, kept)
        if folder is None or not (folder / "config.json").exists():
            raise SpecError(f"{what} has no weights of its own in its run")
        now = folder_source(folder)
        if kept and kept != now:
            raise SpecError(f"{what}: the files in {folder} are not those that were kept: {kept} then, {now} now")
        return folder

    def check_weights(self, version: Version, digest: str) -> None:
        """Raise SpecError if the weights of a version that was kept without a digest of its files are other ones."""
        kept = version.tags.get(DIGEST)
        if FILES not in version.tags and kept and kept != digest:
            raise SpecError(
                f"model.version: {version.label} has other weights than were kept: their digest was {kept}, is {digest}"
            )

    def _is_kept(self, version: Version) -> bool:
        """Whether the run of a version is there, with what it has kept."""
        run = self._store.read_run(version.run_id)
        if run is None or run.info.lifecycle_stage == "deleted":
            return False
        if SUPERSEDED in run.data.tags and FILES in version.tags:  # the weights of the run in its place count
            return False
        parent = version.path.rpartition("/")[0] or None
        return any(entry.path == version.path for entry in self._store.client.list_artifacts(version.run_id, parent))

    def _models(self, wanted: str | None = None) -> dict[str, RegisteredModel]:
        models: list[RegisteredModel] = []
        token = None
        while self._store.is_made:
            page = self._store.client.search_registered_models(wanted, max_results=1000, page_token=token)
            models += page
            token = page.token
            if not token:
                break
        return {str(model.name): model for model in models}

    def _versions(self, model: RegisteredModel) -> list[Version]:
        """MLflow keeps aliases with the model, not with its versions."""
        versions: list[ModelVersion] = []
        token = None
        while True:
            page = self._store.client.search_model_versions(
                f"name = '{model.name}'", max_results=1000, page_token=token
            )
            versions += page
            token = page.token
            if not token:
                break
        aliases: dict[str, list[str]] = {}
        for alias, number in model.aliases.items():
            aliases.setdefault(str(number), []).append(alias)
        made = [_version(version, tuple(sorted(aliases.get(str(version.version), ())))) for version in versions]
        return sorted(made, key=lambda version: version.number)


def _version(version: Any, aliases: tuple[str, ...]) -> Version:
    return Version(
        model=str(version.name),
        number=int(version.version),
        aliases=aliases,
        tags=dict(version.tags),
        run_id=version.run_id or "",
        source=version.source or "",
    )


def _is_same(version: Version, run_id: str, path: str, tags: Mapping[str, str]) -> bool:
    if DIGEST in tags and ADJUSTED_MODEL in tags:
        return all(version.tags.get(name) == tags[name] for name in (DIGEST, ADJUSTED_MODEL))
    if DIGEST in tags and DIGEST in version.tags:
        return ADJUSTED_MODEL not in version.tags and version.tags[DIGEST] == tags[DIGEST]
    return (version.run_id, version.path) == (run_id, path)
