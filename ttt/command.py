"""What the commands share: composing with Hydra, one message for a wrong request, multiruns, and exit codes.

0: done. 1: failed while working. 2: the request is wrong.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra import main as hydra_main
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from ttt.spec import SpecError, nearest

CONF = next(
    folder for folder in (Path(__file__).parents[1] / "conf", Path(__file__).parent / "conf") if folder.is_dir()
)
console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Command:
    """A command: the config it starts from, what makes a checked request of it, and what carries the request out.

    `work` returns the result as JSON's types; `show` prints one or many results for people. A multirun's parent run is
    opened by `begin`, which returns what closes it.
    """

    config: str
    parse: Callable[[Mapping[str, Any]], Any]
    work: Callable[[Any], dict[str, Any] | None]
    show: Callable[[list[dict[str, Any]]], None]
    begin: Callable[[list[Any]], Callable[[list[dict[str, Any]], list[str]], None]] | None = None
    shares_work: bool = False
    """Whether the processes of one launch (torchrun) work on one request together."""

    def main(self) -> None:
        code = self._main(sys.argv[1:])
        if _launched():
            # Threads of torch.distributed now and then abort an interpreter that is taken apart under them.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        gc.freeze()  # what torch and MLflow made is not taken apart object by object, which takes over a second
        sys.exit(code)

    def _main(self, argv: list[str]) -> int:
        args = get_args_parser().parse_args(argv)
        if args.help or args.hydra_help or args.info or args.cfg or args.shell_completion:
            self._hydra(lambda config: None)
            return 0
        try:
            if _launched() and (args.multirun or not self.shares_work):
                what = "several cells (-m)" if self.shares_work else f"ttt.{self.config}"
                raise SpecError(f"torchrun: its processes share one cell of ttt.run; begin {what} without it")
            with initialize_config_dir(str(CONF), version_base="1.3"):
                requests = self._requests(args)
            if _launched() and OmegaConf.select(requests[0][0], "trainer.generator") == "vllm":
                raise SpecError("trainer.generator=vllm: vLLM begins processes of its own; begin without torchrun")
            if not _launched() and any(OmegaConf.select(config, "trainer.shard") for config, _ in requests):
                raise SpecError(
                    "trainer.shard=true: there is one process, none to share the weights with; use torchrun"
                )
            return self._multirun(requests) if args.multirun else self._single(requests[0])
        except SpecError as error:
            return _refuse(str(error))

    def _requests(self, args: Any) -> list[tuple[DictConfig, Any]]:
        """Composed and checked requests: the one asked for, or one for each value that a multirun sweeps over."""
        overrides, places = list(args.overrides), create_config_search_path(str(CONF))
        if args.config_dir:
            mine = f"file://{Path(args.config_dir).absolute()}"
            overrides.append(f"hydra.searchpath=[{mine}]")
            places.append("command-line", mine)
        try:
            # The loader lists a group's files, for glob(...).
            parsed = OverridesParser.create(config_loader=ConfigLoaderImpl(places)).parse_overrides(overrides)
        except HydraException as error:
            raise SpecError(f"an override cannot be read: {str(error).splitlines()[0]}") from None
        choices = [list(o.sweep_string_iterator()) if o.is_sweep_override() else [] for o in parsed]
        for override, values in zip(parsed, choices, strict=True):
            if override.is_sweep_override() and not values:
                raise SpecError(f"{override.input_line}: there is nothing that fits")
        if any(choices) and not args.multirun:
            swept = next(o for o, values in zip(parsed, choices, strict=True) if values)
            raise SpecError(f"{swept.get_key_element()}: several values need a multirun: add -m")

        def chosen(place: int = -1, value: str = "") -> list[str]:
            """The overrides with the first value of each sweep, but for `place`."""
            texts = []
            for i, (override, values) in enumerate(zip(parsed, choices, strict=True)):
                key = override.get_key_element()
                texts.append(f"{key}={value if i == place else values[0]}" if values else override.input_line)
            return [text for text in texts if text]

        plans = [(i, value) for i, values in enumerate(choices) for value in values] or [(-1, "")]
        faults: dict[str, None] = {}
        requests = []
        for place, value in plans:
            try:
                config = self._compose(chosen(place, value))
                requests.append((config, self.parse(OmegaConf.to_container(config, resolve=True))))  # type: ignore[arg-type]
            except SpecError as error:
                faults.update(dict.fromkeys(str(error).splitlines()))
        if faults:
            raise SpecError("\n".join(faults))
        return requests

    def _compose(self, overrides: list[str]) -> DictConfig:
        try:
            return compose(self.config, overrides=overrides)
        except MissingConfigException as error:
            missing = error.missing_cfg_file or ""
            group, _, value = missing.rpartition("/")
            choices = [str(option) for option in error.options or ()]
            raise SpecError(
                f"{group or 'config'}: there is no {value!r}; the choices are: {nearest(value, choices)}"
            ) from None
        except (HydraException, OmegaConfBaseException) as error:
            cause = error.__cause__ or error
            raise SpecError(_composition_fault(str(error), str(cause), self.config)) from None

    def _single(self, request: tuple[DictConfig, Any]) -> int:
        config, asked = request
        result, code = self._attempt(asked)
        if result is not None:
            self.show([result])
            _write(config.get("output"), result)
        return code

    def _attempt(self, asked: Any) -> tuple[dict[str, Any] | None, int]:
        try:
            return self.work(asked), 0
        except SpecError as error:
            return None, _refuse(str(error))
        except Exception as error:
            if os.environ.get("HYDRA_FULL_ERROR"):
                traceback.print_exc()
            return None, _refuse(f"{type(error).__name__}: {error}", 1, "failed")

    def _multirun(self, requests: list[tuple[DictConfig, Any]]) -> int:
        config = requests[0][0]
        finish = self.begin([asked for _, asked in requests]) if self.begin else None
        jobs = Path(config.tracking.root).resolve() / "hydra" / f"{os.getpid()}-{os.urandom(4).hex()}"
        jobs.mkdir(parents=True)

        broken = None
        try:
            self._hydra(Job(sys.modules["__main__"].__spec__.name, str(jobs)))  # type: ignore[union-attr]
        except Exception as error:  # a launcher that lost its workers; what finished is reported all the same
            broken = f"the launcher stopped: {type(error).__name__}: {error}"
        records = [json.loads(file.read_text()) for file in sorted(jobs.glob("*.json"))]
        results = [record["result"] for record in records if record["code"] == 0]
        failures = [f"{' '.join(record['job'])}: {record['error']}" for record in records if record["code"]]
        failures += [broken] if broken else []
        if finish:
            finish(results, failures)
        if results:
            self.show(results)
            _write(config.get("output"), results)
        if failures:
            _refuse("\n".join(failures), 1, f"{len(failures)} of {len(records)} jobs failed")
            return 2 if all(record["code"] in (0, 2) for record in records) and not broken else 1
        return 0

    def _hydra(self, job: Callable[[DictConfig], None]) -> None:
        hydra_main(config_path=str(CONF), config_name=self.config, version_base="1.3")(job)()


@dataclass(frozen=True)
class Job:
    """One job of a multirun, in whatever process the launcher puts it; it leaves its record in the folder `records`.

    Never raises: a failing job must stop no other, whatever the launcher.
    """

    module: str
    """The command's module, which has it as `COMMAND`: workers import it anew."""
    records: str

    def __call__(self, config: DictConfig) -> None:
        command: Command = importlib.import_module(self.module).COMMAND
        asked = list(HydraConfig.get().overrides.task)
        file = Path(self.records) / f"{HydraConfig.get().job.num:05d}.json"
        file.write_text(json.dumps({"job": asked, "code": 1, "error": "did not finish"}))
        outcome: dict[str, Any]
        try:
            request = command.parse(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
            outcome = {"code": 0, "result": command.work(request)}
        except SpecError as error:
            outcome = {"code": 2, "error": str(error)}
        except Exception as error:
            outcome = {"code": 1, "error": f"{type(error).__name__}: {error}"}
        file.write_text(json.dumps({"job": asked, **outcome}, default=str))


def _launched() -> bool:
    """Whether this is one of several processes of a launch (torchrun)."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _refuse(message: str, code: int = 2, what: str = "not possible") -> int:
    console.print(f"[bold red]{what}[/]", end=": " if "\n" not in message else "\n")
    console.print(message, markup=False, soft_wrap=True)
    return code


def _write(file: str | None, result: Any) -> None:
    if file:
        path = Path(file).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        making = path.with_name(path.name + ".part")
        making.write_text(json.dumps(result, indent=2, default=str) + "\n", encoding="utf-8")
        making.rename(path)


def _composition_fault(message: str, cause: str, config: str) -> str:
    """Hydra's message for an unknown key, with the keys that there are."""
    first = message.splitlines()[0].rstrip(".")
    key = first.split("'")[1] if "'" in first else ""
    if "not in struct" in cause or "not in struct" in message or "Could not override" in first:
        parent, _, leaf = key.rpartition(".")
        node = OmegaConf.select(compose(config), parent) if parent else compose(config)
        if isinstance(node, DictConfig):
            place = f" of {parent}" if parent else ""
            return f"{key}: there is no such key; the keys{place} are: {nearest(leaf, map(str, node))}"
    return f"{first} ({cause.splitlines()[0]})" if cause and cause != message else first
