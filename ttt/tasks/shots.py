"""The shots of a document: drawn by (seed, document), and none of them gives the document's own answer away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lm_eval.api.samplers import ContextSampler

from ttt.spec import Bench, SpecError
from ttt.tasks.leaks import normalise

Document = Mapping[str, Any]


def prepare_shots(task: Any, bench: Bench) -> None:
    """Give the task the bench's number of shots and the way to draw them.

    A task that fixes no shots at all is asked as it was defined, and what lm-eval scores without a prompt has none to
    put shots into. Raises SpecError if the task has fewer few-shot documents than shots.
    """
    if task.get_config("num_fewshot") != 0:
        task.set_config(
            key="num_fewshot", value=0 if task.OUTPUT_TYPE == "loglikelihood_rolling" else bench.num_fewshot
        )
    n_shots = task.get_config("num_fewshot")
    if n_shots and hasattr(task, "sampler"):
        if len(task.sampler.fewshot_docs()) < n_shots:
            raise SpecError(
                f"bench.num_fewshot: {n_shots} shots asked of task '{task.config.task}', "
                f"which has {len(task.sampler.fewshot_docs())} few-shot documents"
            )
        Shots(task, bench.fewshot_seed)


def shots_given(tasks: Iterable[Any]) -> list[int]:
    """The numbers of shots that the tasks are asked with, each once, smallest first."""
    return sorted({task.get_config("num_fewshot") or 0 for task in tasks})


class Shots(ContextSampler):
    """Takes the place of a task's sampler, whose draws it seeds and looks through.

    lm-eval keeps a document out of its own shots only where the few-shot split has the test split's name, and only
    what equals it in every column. Here no shot asks the document's question, wherever it stands. A draw that needs
    no such change is lm-eval's.
    """

    def __init__(self, task: Any, seed: int):
        super().__init__(task.sampler.fewshot_docs())
        self.task, self.seed, self.sampler = task, seed, task.sampler
        self._asked: dict[int, str] = {}
        build, self._document = task.fewshot_context, None

        def of_document(doc: Document, *args: Any, **kwargs: Any) -> Any:
            self._document = doc
            return build(doc, *args, **kwargs)

        task.sampler, task.fewshot_context = self, of_document

    def sample(self, n: int, eval_doc: Any = None, df: Any = None, **kwargs: Any) -> list[Document]:
        assert self._document is not None
        return self.of(self._document, n)

    def of(self, doc: Document, n: int) -> list[Document]:
        """The document's `n` shots; fewer if so few of the few-shot documents ask something else."""
        key = f"{self.seed}:{sorted(doc.items())!r}"
        # where lm-eval expects the document among them it draws one more
        more = self.task.fewshot_cfg.split == self.task.config.test_split
        drawn = self.sampler.set_rnd(key).sample(min(n + more, len(self.df)))
        question = self._question(doc, self.task.config)
        kept = [shot for shot in drawn if not self._gives_away(shot, doc, question)][:n]
        if len(kept) == n:
            return kept
        others = [shot for shot in self.df if not self._gives_away(shot, doc, question)]
        chosen = self.sampler.replace_df(others).set_rnd(key).sample(min(n, len(others)))
        self.sampler.replace_df(self.df)
        return list(chosen)

    def _gives_away(self, shot: Document, doc: Document, question: str) -> bool:
        if shot == doc:
            return True
        if id(shot) not in self._asked:  # they all stay in `df`
            self._asked[id(shot)] = self._question(shot, self.task.fewshot_cfg)
        if not question or self._asked[id(shot)] != question:
            return False
        if self.task.multiple_input or not self.task.config.doc_to_choice:
            return True
        # "Which of these is true?" is asked of many choices: the shot gives away only what is among the document's.
        answer = self.task.doc_to_target(shot, self.task.fewshot_cfg.doc_to_target)
        if isinstance(answer, int):
            choices = self.task.doc_to_choice(shot, self.task.fewshot_cfg.doc_to_choice)
            answer = choices[answer] if 0 <= answer < len(choices) else answer
        return not isinstance(answer, str) or answer in self.task.doc_to_choice(doc)

    def _question(self, doc: Document, config: Any) -> str:
        """What is asked, as the leak check compares it; in WinoGrande's form that stands in choices and target."""
        text = self.task.doc_to_text(doc, config.doc_to_text)
        if self.task.multiple_input:
            choices = self.task.doc_to_choice(doc, config.doc_to_choice)
            text = " ".join([*sorted(map(str, choices)), str(self.task.doc_to_target(doc, config.doc_to_target))])
        return normalise(str(text))
