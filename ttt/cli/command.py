"""What the commands share: one message for a wrong request, one request or a multirun of them, and exit codes.

0: done. 1: failed while working. 2: the request is wrong. 130: stopped by Ctrl-C, 143: by SIGTERM, to be continued.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ttt.catalogue.consent import check_secrets
from ttt.cli.arguments import SHOWN, flags, parsed, quoted
from ttt.cli.composition import CONF, Composer
from ttt.cli.jobs import Job, records_in, stopping_jobs, write_requests
from ttt.cli.output import check_output, write_output
from ttt.cli.terminal import console, prepare
from ttt.masking import SECRETS_ENV, masked, shown_uri
from ttt.spec import SpecError

__all__ = ["CONF", "Closer", "Command", "console", "heavy_imports"]

STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
URIS = ("tracking.uri", "study.storage")
"""Fields that may hold an address with a password."""

Closer = Callable[[list[dict[str, Any]], list[str], bool], None]
"""Closes a multirun's parent run, given the results, the failures, and whether it was stopped from outside."""


@contextlib.contextmanager
def heavy_imports() -> Iterator[None]:
    """Within the body torch, MLflow and the like are imported: a million objects that stay.

    No garbage is looked for meanwhile, which would take a quarter of the time and find little. What the first such body
    leaves is never looked through again; of later ones, a model that is done with must be.
    """
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
        gc.enable()


@dataclass(frozen=True)
class Asked:
    """One request: its overrides, the values that they compose, and what was made of those."""

    overrides: list[str]
    values: dict[str, Any]
    request: Any

    def get(self, field: str) -> Any:
        value: Any = self.values
        for part in field.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    @property
    def secret_uris(self) -> dict[str, str]:
        """The addresses with passwords, by field."""
        return {field: uri for field in URIS if isinstance(uri := self.get(field), str) and shown_uri(uri) != uri}


@dataclass(frozen=True)
class Command:
    """A command: the config it starts from, what makes a checked request of it, and what carries the request out.

    `work` returns the result as JSON's types; `show` prints one or many results for people. A multirun's parent run is
    opened by `begin`, which returns what closes it.
    """

    config: str
    parse: Callable[[Mapping[str, Any]], Any]
    work: Callable[[Any], dict[str, Any] | list[dict[str, Any]] | None]
    show: Callable[[list[dict[str, Any]]], None]
    begin: Callable[[list[Any]], Closer] | None = None
    shares_work: bool = False
    """Whether the processes of one launch (torchrun) work on one request together."""

    def main(self) -> None:
        prepare()
        code = self._main(sys.argv[1:])
        try:
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read it has left; Python would say so once more when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if _launched():
            # Threads of torch.distributed now and then abort an interpreter that is taken apart under them.
            sys.stderr.flush()
            os._exit(code)
        gc.freeze()  # what torch and MLflow made is not taken apart object by object, which takes over a second
        sys.exit(code)

    def _main(self, argv: list[str]) -> int:
        try:
            return self._answer(argv)
        except SpecError as error:
            return _refuse(str(error))
        except Exception as error:
            if os.environ.get("HYDRA_FULL_ERROR"):
                console.print(traceback.format_exc())
            return _refuse(f"{type(error).__name__}: {error}", 1, "failed")
        except (KeyboardInterrupt, SystemExit) as error:
            code = error.code if isinstance(error, SystemExit) else STOPPED[0]
            if code not in STOPPED:
                raise
            console.print("stopped; the same command goes on with what is left", style="bold")
            return int(code)

    def _answer(self, argv: list[str]) -> int:
        for word in argv:
            if not _is_utf8(word):
                raise SpecError(f"{word}: this argument is not UTF-8; rename the file")
        args = parsed(argv)
        if args.config_path or args.config_name or args.experimental_rerun:
            raise SpecError(
                "--config-path, --config-name, --experimental-rerun: ttt's commands have their own configs; "
                "add a folder of your own with --config-dir"
            )
        if _launched() and (args.multirun or not self.shares_work):
            what = "several cells (-m)" if self.shares_work else f"ttt.{self.config}"
            raise SpecError(f"torchrun: its processes work on one request of ttt.run together; begin {what} without it")
        if args.shell_completion:  # its arguments are no overrides: install=bash
            Composer(self.config, []).begin_hydra(self.config, [*flags(args), *args.overrides], lambda _: None)
            return 0
        composer = Composer(self.config, list(args.overrides), args.config_dir)
        if any(getattr(args, flag) for flag in SHOWN):
            return self._show_config(composer, flags(args))
        requests = self._requests(composer, args.multirun)
        return self._multirun(composer, requests) if args.multirun else self._single(requests[0])

    def _show_config(self, composer: Composer, flags: list[str]) -> int:
        """What Hydra shows of the configuration, without the passwords in it."""
        overrides = composer.requests()[0]
        composer.configs(overrides)  # raises what Hydra would say in its own way
        overrides = [*overrides, *composer.benches_text, *(f"bench={quoted(name)}" for name in composer.benches[:1])]
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
            try:
                composer.begin_hydra(self.config, [*flags, *overrides], lambda _: None)
            except ValueError as error:  # flags that exclude each other
                raise SpecError(str(error)) from None
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(masked(shown.getvalue()))
        return 0

    def _requests(self, composer: Composer, multirun: bool) -> list[Asked]:
        """Composed and checked requests: the one asked for, or those of all jobs of a multirun, in order."""
        if composer.sweeps and not multirun:
            swept = composer.sweeps[0][0].get_key_element()
            raise SpecError(f"{swept}: several values need a multirun: add -m")
        jobs = composer.requests()
        # Each value that is swept over is composed once before any two are combined: a wrong one is said soon.
        n_changed = [sum(one != first for one, first in zip(job, jobs[0], strict=True)) for job in jobs]
        faults: dict[str, None] = {}
        trusted: dict[str, None] = {}
        by_number: dict[int, Asked] = {}
        for number in sorted(range(len(jobs)), key=n_changed.__getitem__):
            if faults and n_changed[number] > 1:
                break
            try:
                configs = composer.configs(jobs[number])
                values, trusts = composer.merged(configs, jobs[number])
                asked = Asked([*jobs[number], *composer.benches_text], values, self.parse(values))
                for config in configs if asked.secret_uris else ():
                    check_secrets(config, asked.secret_uris)
            except SpecError as error:
                faults.update(dict.fromkeys(str(error).splitlines()))
                continue
            by_number[number] = asked
            trusted.update(dict.fromkeys(trusts))
        if faults:
            raise SpecError("\n".join(faults))
        requests = [by_number[number] for number in range(len(jobs))]
        first = requests[0]
        if _launched() and first.get("trainer.generator") == "vllm":
            raise SpecError("trainer.generator=vllm: vLLM begins processes of its own; begin without torchrun")
        if not _launched() and any(asked.get("trainer.shard") for asked in requests):
            raise SpecError("trainer.shard=true: there is one process, none to share the weights with; use torchrun")
        for field in (*URIS, "tracking.root", "output"):
            if len({asked.get(field) for asked in requests}) > 1:
                raise SpecError(f"{field}: a multirun has one for all its jobs; begin a multirun for each")
        check_output(first.get("output"))
        # The jobs of a multirun find the addresses here: what is written down of a job holds no password.
        os.environ[SECRETS_ENV] = json.dumps(first.secret_uris)
        for file in composer.replacing:
            console.print(f"{file}: is taken in place of ttt's own {file.parent.name}/{file.name}", soft_wrap=True)
        for line in trusted:
            console.print(line)
        return requests

    def _single(self, asked: Asked) -> int:
        result = self.work(asked.request)
        if result is None:
            return 0
        return self._report(result, result if isinstance(result, list) else [result], asked)

    def _report(self, result: Any, results: list[dict[str, Any]], asked: Asked) -> int:
        """Show the results, and write them; 1 where they cannot be written."""
        self.show(results)
        try:
            write_output(asked.get("output"), result)
        except OSError as error:
            return _refuse(f"output: {asked.get('output')} cannot be written: {error.strerror}", 1, "failed")
        return 0

    def _multirun(self, composer: Composer, requests: list[Asked]) -> int:
        root = Path(requests[0].get("tracking.root")).expanduser().resolve()
        jobs = root / "hydra" / f"{os.getpid()}-{os.urandom(4).hex()}"
        for text in composer.texts:
            if masked(text) != text and text.partition("=")[0] not in URIS:  # as part of `tracking={...}`
                raise SpecError(
                    f"an address with a password is given as {' or '.join(f'{field}=...' for field in URIS)}"
                )
        finish = self.begin([asked.request for asked in requests]) if self.begin else None
        write_requests(jobs, [(asked.overrides, asked.values) for asked in requests])
        job = Job(sys.modules["__main__"].__spec__.name, str(jobs), os.getpid())  # type: ignore[union-attr]
        argv = ["--multirun", f"hydra.sweep.dir={quoted(str(root / 'hydra'))}", *composer.hydra_texts]
        argv += ["hydra.mode=MULTIRUN", f"job=range({len(requests)})"]
        broken = []
        with stopping_jobs(jobs):
            try:
                composer.begin_hydra("multirun", argv, job)
            except (SpecError, HydraException, OmegaConfBaseException) as error:
                broken = [str(error)]
            except Exception as error:  # a launcher that lost its workers; what finished is reported all the same
                broken = [f"the launcher stopped: {type(error).__name__}: {error}"]
            except BaseException:
                if finish:
                    finish(*records_in(jobs)[:2], True)
                raise
            results, failures, codes = records_in(jobs)
            if finish:
                finish(results, [*failures, *broken], False)
        code = 0
        if results:
            code = self._report(results, results, requests[0])
        if failures or broken:
            _refuse("\n".join([*failures, *broken]), 1, f"{len(failures)} of {len(codes)} jobs failed")
            return 2 if set(codes) <= {0, 2} and not broken else 1
        return code


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _launched() -> bool:
    """Whether this is one of several processes of a launch (torchrun)."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _refuse(message: str, code: int = 2, what: str = "not possible") -> int:
    console.print(what, style="bold red", end=": " if "\n" not in message else "\n")
    console.print(message, soft_wrap=True)
    return code
