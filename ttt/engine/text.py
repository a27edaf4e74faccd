"""Text to tokens as in lm-eval's own `hf` backend: one rendering of prompts and answers, for training and scoring."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import resolve_max_length
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ttt.engine.tokens import TokenizedTexts


class TextToTokens(TemplateLM, ABC):
    """The part of an lm-eval model that knows tokens: special ones, prompts split from answers, chats."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase):
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer

    @property
    def eot_token_id(self) -> int:
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else int(bos)

    @property
    def max_length(self) -> int:
        """Positions to use: lm-eval's choice, and no more than the model has where lm-eval does not look (MPT)."""
        chosen = int(resolve_max_length(self.model.config, self.tokenizer, default=2048))
        return min(chosen, getattr(self.model.config, "max_seq_len", None) or chosen)

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        if add_special_tokens is None:
            return self.tokenized.of(string)
        return list(self.tokenizer.encode(string, add_special_tokens=add_special_tokens))

    @cached_property
    def tokenized(self) -> TokenizedTexts:
        return TokenizedTexts(self.tokenizer, str(self.tokenizer.decode(self.prefix_token_id)))

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                chat_history,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
        )

    def asked(self, prompt: str, answer: str, chat: bool) -> tuple[str, str]:
        """A prompt and its answer as they are learnt and scored: with `chat` the prompt is a user's only message."""
        if not chat:
            return prompt, answer
        return self.apply_chat_template([{"role": "user", "content": prompt}]), answer.lstrip()

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """Token ids of prompts and of answers, split where lm-eval splits them; for training and scoring alike."""
        self.tokenize_pairs(pairs)
        return [self._encode_pair(*pair) for pair in pairs]

    def encode_continued(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """Token ids of prompts as generation begins from them, and of the answers that follow them there.

        Where tokens of the two together would reach over the border, the answer is tokenised by itself: a model that
        goes on from the prompt cannot write them otherwise.
        """
        self.tokenized.add(text for prompt, answer in pairs for text in (prompt, prompt + answer))
        encoded = []
        for prompt, answer in pairs:
            given, whole = self.tok_encode(prompt), self.tok_encode(prompt + answer)
            joined = whole[: len(given)] != given
            encoded.append((given, self.tok_encode(answer, False) if joined else whole[len(given) :]))
        return encoded

    def tokenize_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """What `_encode_pair` asks for: both together, and the prompt without the blanks at its end."""
        self.tokenized.add(text for prompt, answer in pairs if prompt for text in (prompt + answer, prompt.rstrip()))
