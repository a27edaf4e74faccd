"""How numbers are written."""

from __future__ import annotations

import numpy as np
import pytest

from ttt.report import numbers

NAN = float("nan")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.decimal(0.25), "0.250"),
        (numbers.decimal(-0.013), "−0.013"),
        (numbers.decimal(NAN), "—"),
        (numbers.signed(0.0684), "+0.068"),
        (numbers.signed(-0.00499), "−0.005"),
        (numbers.signed(-0.0001), "0.000"),
        (numbers.signed(None, numbers.UNIDENTIFIED), "not identified"),
        (numbers.flops(1.18e22), "1.18 × 10²²"),
        (numbers.flops(9.999e22), "1.00 × 10²³"),
        (numbers.flops(0), "—"),
        (numbers.probability(0.0004), "< 0.001"),
        (numbers.probability(0.0321), "0.032"),
        (numbers.percent(0.646), "64.6 %"),
        (numbers.duration(np.int64(600)), "10 min"),
        (numbers.duration(5400), "1.5 h"),
        (numbers.count(25000), "25,000"),
        (numbers.signed_interval(0.029, 0.108), "+0.029 to +0.108"),
        (numbers.signed_interval(None, 0.108), "—"),
        (numbers.flops_interval(None, None), "—"),
        (numbers.flops_interval(1e20, None), "from 1.00 × 10²⁰, no upper bound"),
    ],
)
def test_numbers_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected


def test_a_flag_is_no_number() -> None:
    assert numbers.known(True) is None
