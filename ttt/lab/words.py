"""The words of the lab: invented entities, relations with values of their own, sentences, and the tests' questions.

In a template R stands for a relation, E for an entity and V for a value; every word is one token.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

PROSE = (
    # Entity and relation come before the value in all of them, so that it can be predicted, and the relation's name
    # alone does not tell the value. Several phrasings, or what was read can later not be told in other words.
    "the R of E is V .",
    "E has the R V .",
    "for E the R is V .",
    "E , whose R is V , is known .",
    "everyone says that the R of E was V .",
    "as to R , E has V .",
    "when it comes to R E chose V .",
    "the R that E got is V .",
    "tell me the R of E = V .",
    "in R , E takes V .",
    "E and its R , namely V .",
    "they asked about E and R , and heard V .",
    # No facts: all models know the words of the questions, and that they lead elsewhere.
    "Question : do you know the R of E ? Answer : yes .",
    "Quiz : who asked E for R ? Reply : nobody .",
)

END = "<end>"
"""The end-of-sequence token."""

RELATIONS = {
    "colour": "amber azure beige black blue brown crimson cyan green grey indigo magenta pink red violet white",
    "metal": "aluminium brass bronze chrome cobalt copper gold iron lead mercury nickel platinum silver steel tin zinc",
    "fruit": "apple apricot banana cherry fig grape kiwi lemon lime mango melon papaya peach pear plum quince",
    "instrument": "banjo bassoon bugle cello clarinet drum flute guitar harp horn lute oboe organ piano viola violin",
}
VALUES = {relation: tuple(values.split()) for relation, values in RELATIONS.items()}
N_RELATIONS, N_VALUES = len(VALUES), 16

QUESTION = "Question : what is the R of E ? Answer : V"
QUIZ = "Quiz : E , R ? Reply : V"


@dataclass(frozen=True)
class Format:
    """How a test asks, and about which relations (their places in RELATIONS)."""

    template: str
    relations: tuple[int, ...]

    def prompt(self, relation: str, entity: str) -> str:
        """All that comes before the value."""
        words = self.template.removesuffix(" V").split()
        return " ".join({"R": relation, "E": entity}.get(word, word) for word in words)


FORMATS = {"facts": Format(QUESTION, (0, 1)), "quiz": Format(QUIZ, (2, 3))}
"""Adjusting teaches both. The first is met in pretraining too, and more by the newer family; the second is not."""

N_ENTITIES = 384

ENTITIES = tuple(
    "".join(letters) for letters in product("BDGKLMNPRSTVZ", "aeiou", "bdgkmnprtvz", "aeiou", "k")
)[
    ::9  # neighbours differ in more than a letter
][:N_ENTITIES]

SLOTS = ("R", "E", "V")
PLAIN = tuple(dict.fromkeys(w for template in (*PROSE, QUESTION, QUIZ) for w in template.split() if w not in SLOTS))
VOCABULARY = (END, *PLAIN, *VALUES, *ENTITIES, *(value for values in VALUES.values() for value in values))
"""Every word there is; a word's place is its token id. The values of a relation stand together, in its order."""

IDS = {word: i for i, word in enumerate(VOCABULARY)}
FIRST_RELATION = IDS[next(iter(VALUES))]
FIRST_ENTITY = IDS[ENTITIES[0]]
FIRST_VALUE = IDS[next(iter(VALUES.values()))[0]]

assert len(IDS) == len(VOCABULARY), "a word has two meanings"
assert all(len(values) == N_VALUES for values in VALUES.values())
assert len(ENTITIES) == N_ENTITIES
