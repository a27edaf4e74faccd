"""What counts as the same text: case, blanks and punctuation do not, signs and numbers do."""

from __future__ import annotations

import pytest

from ttt.tasks.leaks import find_leaks, normalise
from ttt.tasks.task_data import Example

SAME = [
    ("What is 2 + 2?", "what   is 2+2"),
    ("What is 12 + 3 = ?", "what is 12+3="),
    ("Café—ﬁne", "CAFÉ fine"),
    ("well-known e-mail", "well known e mail"),
    ("naïve", "nai\u0308ve"),
    ("１２ − ３", "12 - 3"),
    ("12–3", "12-3"),
    ("CO₂", "CO2"),
    ("x²", "x^2"),
    ("1½", "1 1/2"),
    (".5", "0.5"),
    ("$1,000", "$1000"),
    ("[1,2,3]", "[1, 2, 3]"),
    ("2 : 1", "2:1"),
    ("**Answer:** yes", "Answer yes"),
    ("# Title\n* one\n- two", "title one two"),
    ("Janet’s “robe”", "janet's robe"),
    ("born in '1984'", "born in 1984"),
    ("5′10″", "5'10\""),
    ("❤️ co\u00adoperate", "❤ cooperate"),
    ("你好，世界！", "你好世界"),
]
OPERATORS = [*"+-*/=<>^%|~&±×÷·≤≥≠≈∧∨→∈∪∩:", "!=", "==", "<=", "**", "//", "mod"]
DIFFERENT = [
    ("-5", "5"),
    ("10 - -3", "10 - 3"),
    ("3.14", "314"),
    ("3.14", "3 14"),
    ("12.5", "125"),
    ("1,000", "1.000"),
    ("2:1", "21"),
    ("1/2", "12"),
    ("1½", "11/2"),
    ("①②", "12"),
    ("x²", "x2"),
    ("10⁻³", "10³"),
    ("㎡", "m2"),
    ("√2", "2"),
    ("5!", "5"),
    ("n!", "n"),
    ("f'(x)", "f(x)"),
    ("y''", "y'"),
    ("5'", "5"),
    ("30°", "30"),
    ("20 °C", "20 °F"),
    ("$5", "€5"),
    ("£5", "5"),
    ("50%", "50"),
    ("#5", "5"),
    ("x - y", "x y"),
    ("-x", "x"),
    ("(2 + 3) * 4", "2 + 3 * 4"),
    ("(-2)^2", "-2^2"),
    ("[0, 1)", "(0, 1]"),
    ("⌊x⌋", "⌈x⌉"),
    ("3 + ? = 5", "3 + = 5"),
    ("x ∪ y", "x ∩ y"),
    ("¬p", "p"),
    ("C", "C++"),
    ("C", "C#"),
    ("C++", "C#"),
    ("i++", "i--"),
    ("!x", "x"),
    ("type([])", "type({})"),
    ("a[1:]", "a[:1]"),
    ("a -> b", "a <- b"),
    ("Na+", "Na"),
    ("Cl-", "Cl"),
    ("A+", "A-"),
    ("resume", "résumé"),
    ("कि", "का"),
    ("กิน", "กัน"),
    ("🙂", "🙁"),
    ("👍🏻", "👍🏿"),
    ("1️⃣", "1"),
    (
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    ),
    ("None", "NA"),
    ("nan", "null"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_case_blanks_and_punctuation_do_not_count(a: str, b: str) -> None:
    assert normalise(a) == normalise(b)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_signs_count(a: str, b: str) -> None:
    assert normalise(a) != normalise(b)
    assert normalise(a)
    assert normalise(f"What is {a} now?") != normalise(f"What is {b} now?")


def test_every_operator_asks_something_else() -> None:
    asked = {normalise(f"What is 12 {operator} 3?") for operator in ["", *OPERATORS]}
    assert len(asked) == len(OPERATORS) + 1


@pytest.mark.parametrize("text", ["?", "_", "—", "...", "🙂", "∅", "💡💡", "()", "'", "¿?"])
def test_no_text_normalises_to_nothing(text: str) -> None:
    assert normalise(text) != normalise("")
    assert find_leaks([Example(text, " a"), Example("other", " a")], [text]).keys() == {0}
