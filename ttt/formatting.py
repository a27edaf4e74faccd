"""How numbers, names and lists are written for people.

What is not known, null or not finite, is a dash or words, never a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

DASH = "—"
ERRORS = "± is one standard error"
UNIDENTIFIED = "not identified"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def with_error(value: float | None, stderr: float | None) -> str:
    """`0.251 ± 0.012`, the second the standard error, here and everywhere; a dash for what is not known."""
    if value is None:
        return DASH
    return decimal(value) if stderr is None else f"{decimal(value)} ± {decimal(stderr)}"


def known(value: Any) -> float | None:
    """The value as a float; None for anything that is not a finite number."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value) else None


def decimal(value: Any, missing: str = DASH, digits: int = 3) -> str:
    """`0.251`, and `−0.013` with a true minus."""
    number = known(value)
    return missing if number is None else _typeset(f"{number:.{digits}f}")


def signed(value: Any, missing: str = DASH) -> str:
    """`+0.068` or `−0.005`."""
    number = known(value)
    return missing if number is None else _typeset(f"{number:+.3f}")


def count(value: Any, missing: str = DASH) -> str:
    """`25,000`."""
    number = known(value)
    return missing if number is None else f"{number:,.0f}"


def percent(value: Any, missing: str = DASH) -> str:
    """A fraction as `64.6 %`."""
    number = known(value)
    return missing if number is None else f"{100 * number:.1f} %"


def flops(value: Any, missing: str = DASH) -> str:
    """`1.18 × 10²²`."""
    number = known(value)
    if number is None or number <= 0:
        return missing
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{mantissa} × {power(int(exponent))}"


def power(exponent: int) -> str:
    """`10²²`."""
    return "10" + str(exponent).translate(SUPERSCRIPTS)


def probability(value: Any, missing: str = DASH) -> str:
    """A p value: `0.032`, or `< 0.001`; just below 0.05 with as many digits as show that, `0.0498`."""
    number = known(value)
    if number is None:
        return missing
    digits = 3
    while number < 0.05 <= float(f"{number:.{digits}f}") and digits < 9:
        digits += 1
    return "< 0.001" if number < 0.001 else f"{number:.{digits}f}"


def duration(seconds: Any, missing: str = DASH) -> str:
    """`45 s`, `12 min`, `3.4 h`."""
    number = known(seconds)
    if number is None:
        return missing
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g} s"


def signed_interval(low: Any, high: Any, missing: str = DASH) -> str:
    """`+0.031 to +0.105`; a dash unless both bounds are known. On which side of 0 a bound lies is always seen."""
    return missing if known(low) is None or known(high) is None else f"{_bound(low)} to {_bound(high)}"


def _bound(value: Any) -> str:
    """As `signed`; what would round to zero has as many digits as show its sign: `+0.0003`."""
    digits = 3
    while value and not float(f"{value:.{digits}f}") and digits < 9:
        digits += 1
    return _typeset(f"{value:+.{digits}f}")


def flops_interval(low: Any, high: Any, missing: str = DASH) -> str:
    """`8.00 × 10²¹ to 1.50 × 10²²`; a single missing bound is open: the data do not limit that side."""
    if known(low) is None and known(high) is None:
        return missing
    if known(low) is None:
        return f"up to {flops(high)}, no lower bound"
    return f"{flops(low)} to {flops(high)}" if known(high) is not None else f"from {flops(low)}, no upper bound"


def _typeset(text: str) -> str:
    """A true minus; and none before what rounds to zero."""
    return text.lstrip("+-") if not text.strip("+-0.") else text.replace("-", "−")


def clean(text: object, length: int = 48) -> str:
    """One line without control characters, cut where it would run out of a figure."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def first_few(names: Sequence[str], n: int = 8) -> str:
    """The first names, and how many more there are."""
    more = f", and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more
