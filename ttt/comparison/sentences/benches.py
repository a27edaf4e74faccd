"""What is said of several benches: how much they agree, and what a format does."""

from __future__ import annotations

from ttt.comparison.conclusions import AgreementConclusions, FormatConclusions
from ttt.comparison.sentences.sentence import Sentence
from ttt.formatting import UNIDENTIFIED, clean, decimal, signed, signed_interval


def _taus(c: AgreementConclusions) -> list[str]:
    """For each pair of benches of which tau is identified on a side."""
    lines = []
    for pair in c.pairs:
        known = [
            f"{decimal(of.estimate, digits=2)} {when}"
            for when, of in (("before", pair.base), ("after", pair.adjusted))
            if of is not None and of.estimate is not None
        ]
        lines += [f"{pair.first} and {pair.second} {' and '.join(known)} adjusting"] if known else []
    return lines


def _thetas(c: FormatConclusions) -> str:
    """By format, or by bench where two benches have one format."""
    has_own = len({fit.format for fit in c.fits}) == len({fit.bench for fit in c.fits})
    return "; ".join(
        f"{fit.format if has_own else clean(fit.bench)} {fit.scores} {signed(fit.theta, UNIDENTIFIED)}"
        + (f" ({fit.note})" if fit.theta is None and fit.note else "")
        + ("" if fit.theta_low is None else f" ({signed_interval(fit.theta_low, fit.theta_high)})")
        for fit in c.fits
    )


def _reasons(c: FormatConclusions) -> str:
    """Why theta is not identified: once, where it is for one reason in every format."""
    notes = list(dict.fromkeys(fit.note for fit in c.fits if fit.note))
    if len(notes) > 1:
        notes = [f"{clean(fit.bench)} {fit.scores}: {fit.note}" for fit in c.fits if fit.note]
    return f": {'; '.join(notes)}" if notes else ""


SENTENCES = (
    Sentence[AgreementConclusions](
        "agreement.tau",
        "summary",
        "tau of two benches is identified",
        _taus,
        lambda c: f"Kendall's tau over {c.n_models} models: {'; '.join(_taus(c))}.",
        about=AgreementConclusions,
    ),
    Sentence[AgreementConclusions](
        "agreement.not-identified",
        "summary",
        "tau of no two benches is identified",
        lambda c: not _taus(c),
        lambda c: f"Kendall's tau over {c.n_models} models: {UNIDENTIFIED}.",
        about=AgreementConclusions,
    ),
    Sentence[FormatConclusions](
        "formats.theta",
        "summary",
        "theta of one format at least is identified",
        lambda c: any(fit.theta is not None for fit in c.fits),
        lambda c: f"What the newer group scores more at equal compute: {_thetas(c)}.",
        about=FormatConclusions,
    ),
    Sentence[FormatConclusions](
        "formats.not-identified",
        "summary",
        "theta of no format is identified",
        lambda c: all(fit.theta is None for fit in c.fits),
        lambda c: f"What the newer group scores more at equal compute is {UNIDENTIFIED} in any format{_reasons(c)}.",
        about=FormatConclusions,
    ),
)
