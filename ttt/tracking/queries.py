"""Looking runs up. Nothing here writes, and a store that is not there yet has no runs."""

from __future__ import annotations

from collections.abc import Iterable

from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from ttt.spec import SpecError
from ttt.tracking.run_log import join_params
from ttt.tracking.store import Store

SUPERSEDED, SUPERSEDES = "ttt.superseded", "ttt.supersedes"
"""On a run that counts no more, the run in its place; on a run, those in whose place it is once it is FINISHED.

The second is written before a run is finished, so that what counts changes in one moment, with the run's status.
"""


class Queries(Store):
    """The runs of a store. What is superseded or deleted is no run here, but for `read_run`."""

    def find(self, experiment: str, key: str) -> Run | None:
        """The newest run of a key, finished ones first."""
        runs = self.of_key(experiment, key)
        return next((run for run in runs if run.info.status == "FINISHED"), runs[0] if runs else None)

    def finished(self, experiment: str, key: str) -> Run | None:
        """The newest finished run of a key."""
        return next((run for run in self.of_key(experiment, key) if run.info.status == "FINISHED"), None)

    def unfinished(self, experiment: str, key: str) -> Run | None:
        """The newest run of a key that was begun and not finished: killed, failed, or still going."""
        return next((run for run in self.of_key(experiment, key) if run.info.status != "FINISHED"), None)

    def of_key(self, experiment: str, key: str) -> list[Run]:
        """All runs of a key, newest first."""
        return _counting(self._search(experiment, f"tags.`ttt.key` = '{key}'"))

    def runs(self, experiment: str, kind: str) -> list[Run]:
        """All finished runs of a kind in an experiment, newest first."""
        wanted = f"tags.`ttt.kind` = '{kind}' and attributes.status = 'FINISHED'"
        return _counting(self._search(experiment, wanted))

    def children(self, run_id: str, experiments: Iterable[str], status: str) -> list[Run]:
        """The runs below another in some experiments that have a status."""
        wanted = f"tags.`mlflow.parentRunId` = '{run_id}' and attributes.status = '{status}'"
        return [run for experiment in experiments for run in self._search(experiment, wanted)]

    def adjusting(self, key: str, is_finished: bool = True) -> Run | None:
        """The newest run of an adjusted model, in whatever suite, that is finished, or that was begun and is not."""
        if not self.is_made:
            return None
        there = self.client.search_experiments(filter_string="name LIKE '%/adjusting'", max_results=1000)
        numbers = [experiment.experiment_id for experiment in there]
        runs = _counting(self._pages(numbers, f"tags.`ttt.key` = '{key}'")) if numbers else []
        return next((run for run in runs if (run.info.status == "FINISHED") == is_finished), None)

    def cells_of(self, adjusting: str) -> list[Run]:
        """The finished cells, in whatever suite, that were scored with the weights of a run that adjusted a model."""
        wanted = f"tags.`ttt.kind` = 'cell' and tags.`ttt.adjusted_model` = '{adjusting}'"
        runs = _counting(self._pages(self._all_experiments(), wanted)) if self.is_made else []
        return [run for run in runs if run.info.status == "FINISHED"]

    def runs_of_ids(self, run_ids: Iterable[str]) -> dict[str, Run]:
        """Runs by their ids, superseded or not; those that are gone or deleted are not among them."""
        wanted = sorted(set(run_ids))
        experiments = self._all_experiments() if wanted and self.is_made else []
        parts = [wanted[start : start + 100] for start in range(0, len(wanted), 100)]
        listed = ((", ".join(f"'{run_id}'" for run_id in part)) for part in parts if experiments)
        return {
            str(run.info.run_id): run
            for ids in listed
            for run in self._pages(experiments, f"attributes.run_id IN ({ids})")
        }

    def _all_experiments(self) -> list[str]:
        numbers, token = [], None
        while True:
            page = self.client.search_experiments(max_results=1000, page_token=token)
            numbers += [str(experiment.experiment_id) for experiment in page]
            token = page.token
            if not token:
                return numbers

    def still_running(self, suite: str) -> list[Run]:
        """All runs of a suite, of whatever kind, that are marked RUNNING."""
        if not self.is_made:
            return []
        # A suite's name has no % in it; its _ stands for any character in LIKE, which the second look sorts out.
        there = self.client.search_experiments(filter_string=f"name LIKE '{suite}/%'", max_results=1000)
        numbers = [e.experiment_id for e in there if e.name.startswith(f"{suite}/")]
        return self._pages(numbers, "attributes.status = 'RUNNING'") if numbers else []

    def read_run(self, run_id: str | None) -> Run | None:
        """A run, superseded or deleted or not; None for one that was removed for good."""
        try:
            return self.client.get_run(run_id) if run_id and self.is_made else None
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def get_run(self, run_id: str) -> Run:
        """A run that must be there; SpecError if it is not."""
        run = self.read_run(run_id)
        if run is None:
            raise SpecError(f"run {run_id} is not there: it was removed from MLflow")
        return run

    def _search(self, experiment: str, wanted: str) -> list[Run]:
        """Newest first; none where there is no such experiment. Params too long for MLflow are whole again."""
        number = self.experiment_id(experiment)
        return [] if number is None else self._pages([number], wanted)

    def _pages(self, experiments: list[str], wanted: str) -> list[Run]:
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs(
                experiments,
                wanted,
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=1000,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            runs += page
            token = page.token
            if not token:
                break
        for run in runs:
            join_params(run.data.params)
        return runs


def _counting(runs: list[Run]) -> list[Run]:
    """Those that no other of them has taken the place of."""
    gone = {old for run in runs if run.info.status == "FINISHED" for old in run.data.tags.get(SUPERSEDES, "").split()}
    return [run for run in runs if SUPERSEDED not in run.data.tags and run.info.run_id not in gone]


def last_step(run: Run, metric: str) -> int | None:
    """The step at which a metric's current value was logged; None for a metric that the run lacks."""
    # MLflow hands the steps over with the values and shows only the values; asking for histories is a query a run.
    return next((int(point.step) for point in run.data.to_proto().metrics if point.key == metric), None)
