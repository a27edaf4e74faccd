"""Texts as tokens, each tokenised once: many at a time, by all cores, and kept for when they come again."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from lm_eval.models.utils import has_bos_prefix
from transformers import PreTrainedTokenizerBase


class TokenizedTexts:
    """Token ids of texts, with the special tokens that the tokenizer adds; a text that has the first does not get two.

    A choice's text begins as its question's does, and the adjusted model is asked what the base model was.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, bos: str):
        self.tokenizer, self.bos = tokenizer, bos
        self._known: dict[str, array[int]] = {}

    def add(self, texts: Iterable[str]) -> None:
        """Tokenise those that are not known yet."""
        new: dict[bool, list[str]] = {True: [], False: []}
        for text in dict.fromkeys(texts):
            if text not in self._known:
                new[has_bos_prefix(text, self.bos)].append(text)
        for has_bos, some in new.items():
            if some:
                options = {"add_special_tokens": False} if has_bos else {}
                ids = self.tokenizer(some, return_attention_mask=False, **options)["input_ids"]
                self._known.update(zip(some, (array("I", of_text) for of_text in ids), strict=True))

    def of(self, text: str) -> list[int]:
        if text not in self._known:
            self.add([text])
        return self._known[text].tolist()
