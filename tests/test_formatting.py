"""How numbers, names and lists are written."""

from __future__ import annotations

import numpy as np
import pytest

from ttt import formatting

NAN = float("nan")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formatting.decimal(0.25), "0.250"),
        (formatting.decimal(-0.013), "−0.013"),
        (formatting.with_error(-0.029, 0.02), "−0.029 ± 0.020"),
        (formatting.decimal(NAN), "—"),
        (formatting.signed(0.0684), "+0.068"),
        (formatting.signed(-0.00499), "−0.005"),
        (formatting.signed(-0.0001), "0.000"),
        (formatting.signed(None, formatting.UNIDENTIFIED), "not identified"),
        (formatting.flops(1.18e22), "1.18 × 10²²"),
        (formatting.flops(9.999e22), "1.00 × 10²³"),
        (formatting.flops(0), "—"),
        (formatting.probability(0.0004), "< 0.001"),
        (formatting.probability(0.0321), "0.032"),
        (formatting.percent(0.646), "64.6 %"),
        (formatting.duration(np.int64(600)), "10 min"),
        (formatting.duration(5400), "1.5 h"),
        (formatting.count(25000), "25,000"),
        (formatting.signed_interval(0.029, 0.108), "+0.029 to +0.108"),
        (formatting.signed_interval(None, 0.108), "—"),
        (formatting.signed_interval(0.0003, 0.041), "+0.0003 to +0.041"),
        (formatting.signed_interval(-0.041, -0.00004), "−0.041 to −0.00004"),
        (formatting.signed_interval(0.0, 0.041), "0.000 to +0.041"),
        (formatting.probability(0.0498), "0.0498"),
        (formatting.probability(0.04996), "0.04996"),
        (formatting.probability(0.05), "0.050"),
        (formatting.probability(0.0494), "0.049"),
        (formatting.flops_interval(None, None), "—"),
        (formatting.flops_interval(1e20, None), "from 1.00 × 10²⁰, no upper bound"),
    ],
)
def test_numbers_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected


def test_a_flag_is_no_number() -> None:
    assert formatting.known(True) is None


def test_a_name_is_one_line_that_fits() -> None:
    assert formatting.clean("line\nbreak\x00and\x1bcontrol") == "line break and control"
    assert formatting.clean("a" * 60) == "a" * 47 + "…"


def test_of_many_names_the_first_are_listed() -> None:
    assert formatting.first_few(["a", "b"]) == "a, b"
    assert formatting.first_few([f"m{i}" for i in range(10)]) == "m0, m1, m2, m3, m4, m5, m6, m7, and 2 more"
