"""lm-eval's templates, each compiled once; it compiles them anew for every document, most of what prompts cost."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Template
from lm_eval.utils import env

# The environment is one object that all of lm-eval renders with; Jinja itself keeps only templates that have names.
env.from_string = lru_cache(maxsize=4096)(env.from_string)


def template(text: str) -> Template:
    """The template of a text in lm-eval's dialect."""
    compiled: Template = env.from_string(text)
    return compiled
