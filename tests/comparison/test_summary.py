"""The summary's words and the numbers' form, for every combination of what is and is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.report import fakes
from ttt.comparison.findings import Fit, OtherInference, plain
from ttt.comparison.summary import finding, summary


def side(theta: float | None, low: float | None, high: float | None) -> Fit:
    return replace(fakes.bare().base, theta=theta, theta_low=low, theta_high=high, note="")


@pytest.mark.parametrize(
    ("base", "adjusted", "words"),
    [
        ((0.1, 0.05, 0.15), (0.0, -0.02, 0.02), "score higher before adjusting (+0.100, 95 % interval +0.050"),
        ((0.1, 0.05, 0.15), (0.1, 0.05, 0.15), "and score higher after it"),
        ((0.1, -0.05, 0.15), (0.0, -0.02, 0.02), "not significant before adjusting"),
        ((0.1, -0.05, 0.15), (-0.1, -0.12, -0.02), "and score lower after it"),
        ((None, None, None), (None, None, None), "not identified, before adjusting or after"),
        ((None, None, None), (0.1, 0.05, 0.15), "is not identified; after it they score higher"),
        ((0.1, 0.05, 0.15), (0.1, None, None), "after it theta is not identified"),
    ],
)
def test_the_summary_says_what_is_and_what_is_not_known(base: Any, adjusted: Any, words: str) -> None:
    text = summary(
        replace(
            fakes.bare(),
            base=side(*base),
            adjusted=side(*adjusted),
            other_inference=OtherInference("paper", side(*base), side(*adjusted)),
        )
    )
    assert words in text
    assert text.endswith(".")


def test_the_summary_tells_where_the_other_inference_disagrees() -> None:
    open_, ahead = side(0.07, -0.01, 0.12), side(0.07, 0.03, 0.1)
    assert (finding(open_), finding(ahead)) == ("open", "ahead")
    given = fakes.provisional()
    text = summary(
        replace(
            given,
            base=ahead,
            adjusted=side(0.0, -0.02, 0.02),
            indirect_effect=replace(given.indirect_effect, estimate=0.07, p=0.0002),
            other_inference=OtherInference("clustered", open_, side(0.0, -0.02, 0.02)),
        )
    )
    assert "respect families and an unknown c_e the difference before adjusting is not significant" in text
    assert "changes the difference by −0.070 (p < 0.001)" in text
    assert "provisional" in text


def test_numbers_that_are_not_finite_are_null() -> None:
    assert plain({"a": float("nan"), "b": [np.float64("inf"), np.int64(3)], "c": np.array([1.0, np.nan])}) == {
        "a": None,
        "b": [None, 3],
        "c": [1.0, None],
    }
