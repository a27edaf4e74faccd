"""lm-eval's task whose templates render in the sandbox (`ttt.tasks.templates`)."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from lm_eval.api.task import ConfigurableTask

from ttt.tasks.templates import template


class SandboxedTask(ConfigurableTask):
    """lm-eval's own, except that what renders a text is not the environment of its module.

    lm-eval has no parameter for the environment; these are its public methods that render. A template becomes a
    function of the document, which lm-eval takes in a template's place, and what a rendered text means (digits are an
    index, brackets a list) is said here as it is there.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config={name: value for name, value in config.items() if name != "class"})

    def doc_to_text(self, doc: Any, doc_to_text: Any = None) -> Any:
        form = self.config.doc_to_text if doc_to_text is None else doc_to_text
        return super().doc_to_text(doc, self._as_function(form, self._as_index))

    def doc_to_target(self, doc: Any, doc_to_target: Any = None) -> Any:
        form = self.config.doc_to_target if doc_to_target is None else doc_to_target
        return super().doc_to_target(doc, self._as_function(form, self._as_target))

    def doc_to_choice(self, doc: Any, doc_to_choice: Any = None) -> Any:
        form = self.config.doc_to_choice if doc_to_choice is None else doc_to_choice
        return super().doc_to_choice(doc, self._as_function(form, ast.literal_eval))

    def doc_to_prefix(self, doc: Any) -> Any:
        form = self.config.gen_prefix
        if form is None or form in self.features:
            return super().doc_to_prefix(doc)
        return template(form).render(**doc)

    def doc_to_decontamination_query(self, doc: Any) -> Any:
        form = self.config.doc_to_decontamination_query
        if self.config.should_decontaminate and isinstance(form, str) and form not in self.features:
            return ast.literal_eval(template(form).render(**doc))
        return super().doc_to_decontamination_query(doc)

    @staticmethod
    def resolve_field(doc: dict[str, Any], field: str | None = None) -> Any:
        if field:
            return doc[field] if field in doc else template(field).render(**doc)
        return None

    def _as_function(self, form: Any, read: Any) -> Any:
        """A function of the document for a template; columns, lists and functions are left as they are."""
        if not isinstance(form, str) or form in self.features:
            return form
        return lambda doc: read(template(form).render(**doc))

    def _as_index(self, text: str) -> Any:
        return ast.literal_eval(text) if text.isdigit() and self.config.doc_to_choice is not None else text

    def _as_target(self, text: str) -> Any:
        if len(text) >= 2 and text[0] == "[" and text[-1] == "]":
            try:
                return ast.literal_eval(text)
            except (SyntaxError, ValueError):
                return text
        return self._as_index(text)
