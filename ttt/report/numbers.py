"""How numbers are written for people."""

from __future__ import annotations


def with_error(value: float | None, stderr: float | None) -> str:
    """`0.251 ± 0.012`; a dash for what is not known."""
    if value is None:
        return "—"
    return f"{value:.3f}" if stderr is None else f"{value:.3f} ± {stderr:.3f}"
