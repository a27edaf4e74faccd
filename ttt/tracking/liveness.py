"""Who works on a run, and whether that process still lives: tags that the owner of a run keeps."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

log = logging.getLogger(__name__)

HOST, PROCESS, HEARTBEAT, SHARED = "ttt.host", "ttt.process", "ttt.heartbeat", "ttt.shared"
INTERVAL = 30
"""Seconds between two heartbeats."""
SILENCE = 120
"""Seconds without a heartbeat after which a process of another host counts as dead, if it is watched meanwhile."""
GONE = 900
"""Seconds since the last heartbeat after which it counts as dead without being watched: no clocks differ by so much."""


@cache
def host() -> str:
    """This machine's name, and eight digits for what else tells it apart: containers may share a name, and not pids."""
    parts = []
    for place in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(place) if Path(place).is_symlink() else Path(place).read_text())
        except OSError:
            parts.append("")
    return f"{socket.gethostname()} {hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]}"


def process() -> str:
    """This process: its pid, and when it began, since another one may be given the same pid later."""
    return f"{os.getpid()} {began(os.getpid())}"


def began(pid: int) -> str | None:
    """When a process began, in its system's own measure; None for one that has ended, waited for or not."""
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in ("Z", "X") else fields[19]
    stat = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True).stdout.split()
    return "_".join(stat[1:]) if stat and not stat[0].startswith("Z") else None


def owner_tags(shared: bool = False) -> dict[str, str]:
    """Tags that name this process as the one that works on a run."""
    tags = {HOST: host(), PROCESS: process(), HEARTBEAT: f"{time.time():.0f}"}
    return {**tags, SHARED: "yes"} if shared else tags


def is_ours(tags: Mapping[str, str]) -> bool:
    return (tags.get(HOST), tags.get(PROCESS)) == (host(), process())


beating: set[str] = set()
"""The runs that this process works on."""


def has_ended(run_id: str, tags: Mapping[str, str]) -> bool | None:
    """Whether the process that works on a run has ended; None where only its heartbeat can tell.

    That is so for processes of other hosts, and for a run that several processes work on together: its tags name the
    one whose heart beat last. A run without these tags is one of an earlier ttt, and nobody's.
    """
    if not {HOST, PROCESS, HEARTBEAT} <= tags.keys():
        return True
    if tags[HOST] != host():
        return None
    if is_ours(tags) and SHARED not in tags:
        return run_id not in beating
    pid, beginning = tags[PROCESS].split(" ", 1)
    ended = began(int(pid)) != beginning
    if ended and SHARED in tags and age(tags) < 3 * INTERVAL:
        return None  # another of its processes will have left its name by then
    return ended


def age(tags: Mapping[str, str]) -> float:
    """Seconds since the last heartbeat, by this machine's clock."""
    return time.time() - float(tags.get(HEARTBEAT, 0))


def is_gone(run_id: str, tags: Mapping[str, str]) -> bool:
    """Whether nobody works on a run, as far as that can be told without watching it."""
    ended = has_ended(run_id, tags)
    return age(tags) > GONE if ended is None else ended


class Watch:
    """Whether the process behind a run lives, by its heartbeat: seen to change here, whatever its host's clock says."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}

    def is_dead(self, run_id: str, tags: Mapping[str, str]) -> bool:
        ended = has_ended(run_id, tags)
        if ended is not None:
            return ended
        first = self._seen.setdefault((run_id, tags[HEARTBEAT]), time.monotonic())
        # One that is old by our clock needs to be watched only until its next heartbeat is overdue.
        patience = 1.5 * INTERVAL if age(tags) > SILENCE else SILENCE
        return is_gone(run_id, tags) or time.monotonic() - first > patience


class Heartbeat:
    """While it is entered, other processes can see that this one works on a run."""

    def __init__(self, client: MlflowClient, run_id: str, shared: bool = False):
        self.is_lost = False
        """Whether another process has taken the run over, having heard nothing of this one (which was suspended)."""
        self._client, self._run_id, self._shared = client, run_id, shared
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name=f"heartbeat {run_id}", daemon=True)

    def __enter__(self) -> Heartbeat:
        beating.add(self._run_id)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        beating.discard(self._run_id)
        self._thread.join(timeout=5)  # a server that does not answer keeps a heartbeat for minutes

    def _go_on(self) -> None:
        while not self._end.wait(INTERVAL) and not self.is_lost:
            try:
                self.beat()
            except (MlflowException, OSError) as error:  # the next one may reach the store again
                log.debug(f"no heartbeat of run {self._run_id}: {error}")

    def beat(self) -> None:
        run = self._client.get_run(self._run_id)
        if not self._shared and not is_ours(run.data.tags):
            self.is_lost = True
            return
        if self._end.is_set():
            return
        if run.info.status in ("FAILED", "KILLED"):  # somebody took this process for dead, or one of several failed
            self._client.update_run(self._run_id, status="RUNNING")
        tags = owner_tags(self._shared) if self._shared else {HEARTBEAT: f"{time.time():.0f}"}
        for name, value in tags.items():
            self._client.set_tag(self._run_id, name, value)
