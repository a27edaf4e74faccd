"""What the two tests of the confound say: the groups told apart by a classifier, and a lead made on purpose."""

from __future__ import annotations

from collections.abc import Callable

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.demonstrations import Discriminator, RecreatedConfound
from ttt.comparison.sentences.sentence import Sentence
from ttt.formatting import count, first_few, flops, known, percent, probability, signed
from ttt.stats.confound import MIN_UNITS
from ttt.stats.released_confound import SEED, SMALL


def has_null(c: BenchConclusions) -> bool:
    return c.discriminator is not None and known(c.discriminator.base.null_mean) is not None


def is_tested(c: BenchConclusions) -> bool:
    """There are enough families or models to divide for a test of single splits."""
    return c.confound is not None and known(c.confound.untouched.share_significant) is not None


def _of_discriminator(text: Callable[[Discriminator], str]) -> Callable[[BenchConclusions], str]:
    def of(c: BenchConclusions) -> str:
        assert c.discriminator is not None
        return text(c.discriminator)

    return of


def _of_confound(text: Callable[[RecreatedConfound], str]) -> Callable[[BenchConclusions], str]:
    def of(c: BenchConclusions) -> str:
        assert c.confound is not None
        return text(c.confound)

    return of


def _after(test: Discriminator) -> str:
    p = "" if known(test.adjusted.p) is None else f" (p {probability(test.adjusted.p)})"
    return (
        f"Against the older models after adjusting it gets {percent(test.adjusted.folded_accuracy)}{p}: near 50 % an "
        "older model that practised the test task looks like a newer one that did not."
    )


def _what(made: RecreatedConfound) -> str:
    whole = f" in {made.n_units} families, each of which stays whole" if made.level == "clusters" else ""
    return (
        f"The older models were split in two at random, {count(made.n_splits)} times ({made.n_models} models{whole}). "
        "The halves differ by chance alone, until one of them trains on the test task; if then a lead like that of "
        "newer models appears, and goes when all are adjusted alike, training on the test task is enough to explain "
        "such a lead."
    )


SENTENCES: tuple[Sentence[BenchConclusions], ...] = (
    Sentence(
        "discriminator.before",
        "discriminator",
        "there are enough models of both groups for a classifier",
        lambda c: c.discriminator is not None,
        _of_discriminator(
            lambda test: (
                "A classifier that sees nothing of a model but its compute and score tells newer models from older "
                f"ones in {percent(test.base.folded_accuracy)} of cases (in five folds, balanced over the groups; "
                "guessing is 50 %)."
            )
        ),
    ),
    Sentence(
        "discriminator.null",
        "discriminator",
        "groups were permuted for a null",
        has_null,
        _of_discriminator(
            lambda test: (
                f"With the groups’ names shuffled it gets {percent(test.base.null_mean)} on average, and "
                f"{percent(test.base.null_high)} or more in one shuffle of twenty (p {probability(test.base.p)})."
            )
        ),
    ),
    Sentence(
        "discriminator.after",
        "discriminator",
        "there are enough models of both groups for a classifier",
        lambda c: c.discriminator is not None,
        _of_discriminator(_after),
    ),
    Sentence(
        "discriminator.leave-one-out",
        "discriminator",
        "there are enough models of both groups for a classifier",
        lambda c: c.discriminator is not None,
        _of_discriminator(
            lambda test: (
                f"Leaving out one model at a time, as the paper does, it is {percent(test.base.accuracy)} before and "
                f"{percent(test.adjusted.accuracy)} after; no p value is of these."
            )
        ),
    ),
    Sentence(
        "discriminator.set-aside",
        "discriminator",
        "a model gives no answers, before adjusting or after",
        lambda c: c.discriminator is not None and c.discriminator.set_aside,
        _of_discriminator(lambda test: f"Without valid answers, and not in this, are {first_few(test.set_aside)}."),
    ),
    Sentence(
        "confound.what",
        "confound",
        "the confound is recreated",
        lambda c: c.confound is not None,
        _of_confound(_what),
    ),
    Sentence(
        "confound.paper",
        "confound",
        "the confound is recreated by the design of the paper's release",
        lambda c: c.confound is not None and c.confound.design == "paper",
        _of_confound(
            lambda made: (
                "As in the release, models are drawn one by one whatever their family; "
                f"{len(made.untrained)} of up to {flops(SMALL)} FLOPs are never in the half that trains; after each "
                "training the better of before and after counts; and the half that trained is adjusted by "
                f"{made.adjustments['trained_adjusted']} from its base models, the other by "
                f"{made.adjustments['base_adjusted']}."
            )
        ),
    ),
    Sentence(
        "confound.keep-best",
        "confound",
        "the confound is recreated by ttt's own design with the policy keep_best",
        lambda c: c.confound is not None and c.confound.design != "paper" and c.confound.policy == "keep_best",
        _of_confound(lambda made: "After each training the better of before and after counts (policy keep_best)."),
    ),
    Sentence(
        "confound.few-families",
        "confound",
        "there are too few families to divide, so that models are divided one by one",
        lambda c: (
            c.confound is not None
            and c.confound.design != "paper"
            and c.cluster == "family"
            and c.confound.level == "models"
        ),
        _of_confound(
            lambda made: (
                f"There are fewer than {MIN_UNITS} families: models are divided one by one, and what those of a family "
                "share is spread over both halves."
            )
        ),
    ),
    Sentence(
        "confound.left-out",
        "confound",
        "an older model lacks one of the adjustments that recreate the confound",
        lambda c: c.confound is not None and c.confound.left_out,
        _of_confound(
            lambda made: (
                f"Left out are {len(made.left_out)} older models that lack one of the adjustments "
                f"{', '.join(dict.fromkeys(made.adjustments.values()))}: {first_few(made.left_out)}."
            )
        ),
    ),
    Sentence(
        "confound.set-aside",
        "confound",
        "an older model gives no answers in one of the states of the confound",
        lambda c: c.confound is not None and c.confound.set_aside,
        _of_confound(lambda made: f"In no half, as without valid answers, are {first_few(made.set_aside)}."),
    ),
    Sentence(
        "confound.null",
        "confound null",
        "enough families or models are divided for a test of single splits",
        is_tested,
        _of_confound(
            lambda made: (
                "A split is found significant (p at most 0.05) against divisions of the same scores anew, "
                f"{count(made.n_permutations)} a split. Where both halves were treated alike there is nothing to find, "
                f"and there {percent(made.untouched.share_significant)} (nobody trained) and "
                f"{percent(made.both_trained.share_significant)} (both trained) of the splits are found significant: "
                "the other shares are to be held against these."
            )
        ),
    ),
    Sentence(
        "confound.no-test",
        "confound null",
        "the confound is recreated with too few families or models for a test of single splits",
        lambda c: c.confound is not None and not is_tested(c),
        lambda c: f"With fewer than {MIN_UNITS} models to divide no split could be significant at 5 %: none is tested.",
    ),
    Sentence(
        "confound.released",
        "confound null",
        "the confound is recreated by the design of the paper's release",
        lambda c: c.confound is not None and c.confound.released_split is not None,
        _of_confound(
            lambda made: (
                f"The split that the release's seed ({SEED}) makes of these models’ names, by the release's fit: θ "
                f"{signed(getattr(made.released_split, 'untouched', None))} with nobody trained, "
                f"{signed(getattr(made.released_split, 'half_trained', None))} with one half trained, "
                f"{signed(getattr(made.released_split, 'all_adjusted', None))} when all are adjusted."
            )
        ),
    ),
)
