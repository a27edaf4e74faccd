"""The lab's tokenizer: a word is a token, blanks separate words."""

from __future__ import annotations

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from ttt.lab.words import END, IDS


def make_tokenizer(context: int) -> PreTrainedTokenizerFast:
    """Every word of the world and nothing else; a word that the world does not have is an error."""
    tokenizer = Tokenizer(models.WordLevel(dict(IDS)))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, model_max_length=context)
