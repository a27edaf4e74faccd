"""The one model in memory: base or adjusted weights, what they are known by, and their scores on a bench."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from transformers import PreTrainedModel

from ttt.cell.evaluation import Evaluation, evaluate
from ttt.cell.prepare import Prepared
from ttt.cell.resolve import Resolved, Say
from ttt.engine.load import as_stored, check_tokenizer, digest, load, load_tokenizer
from ttt.engine.scoring.answers import Answers, KeepingBackend
from ttt.spec import Bench
from ttt.tracking import Tracker


class ModelInMemory:
    """Loaded when it is first needed. Adjusting changes it; `base` brings the base model back."""

    def __init__(self, resolved: Resolved, benches: Iterable[Bench], tracker: Tracker):
        self.resolved, self.benches, self.tracker = resolved, list(benches), tracker
        self._backend: KeepingBackend | None = None
        self._is_base = False
        self._digest: str | None = None

    @property
    def backend(self) -> KeepingBackend:
        """Whatever model is in memory, as lm-eval sees it; the base model if there was none."""
        if self._backend is None:
            self.base()
        assert self._backend is not None
        return self._backend

    @property
    def digest(self) -> str:
        """SHA-256 of the weights in memory."""
        if self._digest is None:
            self._digest = digest(self.backend.model)
        return self._digest

    def base(self) -> None:
        """Have the base model in memory."""
        if self._is_base:
            return
        model, version = self.resolved.model, self.resolved.version
        self._release()
        self._put(load(model, self.resolved.source, self.resolved.trainer.shard)[0])
        self._is_base = True
        if version is not None and as_stored(model):
            self.tracker.registry.check_weights(version, self.digest)

    def take(self, folder: Path, source: str) -> None:
        """Have the weights of a folder in memory, which must be those of `source` (`ttt.files.model_source`)."""
        model = self.resolved.model.model_copy(update={"path": str(folder), "gguf_file": None})
        self._release()
        self._put(load(model, source, self.resolved.trainer.shard)[0])

    def changed(self) -> None:
        """To be called whenever the weights in memory have come to be others."""
        self._is_base, self._digest = False, None

    def _release(self) -> None:
        """Let go of the weights in memory, so that two models are never there at once."""
        self.changed()
        if self._backend is not None:
            del self._backend.model

    def _put(self, weights: PreTrainedModel) -> None:
        self.changed()
        if self._backend is not None:
            self._backend.model = weights
            return
        tokenizer = load_tokenizer(self.resolved.model, self.resolved.source)
        for bench in self.benches:
            check_tokenizer(tokenizer, self.resolved.model, bench)
        self._backend = KeepingBackend(weights, tokenizer, self.resolved.trainer)

    def evaluate(self, prepared: Prepared) -> Evaluation:
        """The scores of the weights in memory. What an attempt that was stopped has answered is not asked again."""
        key = prepared.keyed.key
        file = self.tracker.folder(key) / "answers" / f"{self.digest[:20]}.jsonl"
        self.backend.answers = Answers(file, f"{key} {self.digest}")
        try:
            return evaluate(self.backend, prepared.cell.bench, prepared.tasks, prepared.cell.seed)
        finally:
            self.backend.answers = None

    def scores(self, prepared: Prepared, say: Say) -> Evaluation:
        """`evaluate`, and a word where prompts were too long."""
        evaluation = self.evaluate(prepared)
        if evaluation.n_truncated:
            say(
                f"{prepared.keyed.label}: {evaluation.n_truncated:,} prompts are longer than the context of "
                f"{self.backend.max_length:,} tokens and lost their beginning (bench.truncation=refuse stops instead)"
            )
        return evaluation
