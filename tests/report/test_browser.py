"""The report in a real browser: nothing complains, and nothing is wider than a phone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.report import fakes
from ttt.report.comparison import render

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: no chromium on this machine"),
]

OPTIONS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --allow-file-access-from-files --enable-logging=stderr
--virtual-time-budget=10000 --hide-scrollbars --window-size=1280,1000 --dump-dom""".split()  # noqa: SIM905

FRAME = """<!DOCTYPE html><iframe id="phone" src="report.html" sandbox="allow-same-origin" width="{width}" height="900"
style="border:0"></iframe><p id="widths"></p><script>
document.getElementById("phone").onload = event => {{
  const page = event.target.contentDocument, root = page.documentElement;
  const wide = [...page.querySelectorAll("main > *, header > *, figure, .card, .scroll, pre, .runs")]
    .filter(part => part.getBoundingClientRect().right > {width} + 0.5).map(part => part.outerHTML.slice(0, 80));
  const shown = [...page.querySelectorAll(".card svg")].filter(part => part.getBoundingClientRect().width).length;
  document.getElementById("widths").textContent = `scroll=${{root.scrollWidth}} wide=${{wide.length}} shown=${{shown}}`;
}};
</script>"""
"""A browser's window cannot be as narrow as a phone, a frame in it can; sandboxed, as MLflow shows artifacts."""


def browse(page: Path, profile: Path) -> tuple[str, str]:
    """The page as the browser has it in the end, and what it logged."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


@pytest.mark.parametrize("make", [fakes.conclusions, fakes.bare, fakes.provisional, fakes.nasty])
def test_nothing_complains_and_nothing_is_wider_than_a_phone(make: object, tmp_path: Path) -> None:
    assert callable(make)
    given = make()
    folder = tmp_path / "report"
    n_figures = sum(file.suffix == ".svg" for file in render(given, folder))
    for width in (390, 1200):
        frame = folder / "frame.html"
        frame.write_text(FRAME.format(width=width), encoding="utf-8")
        source, log = browse(frame, tmp_path / "profile")
        found = re.search(r"scroll=(\d+) wide=(\d+) shown=(\d+)", source)
        assert found, source[-500:]
        assert (int(found[1]), int(found[2]), int(found[3])) == (width, 0, n_figures)
        assert "CONSOLE" not in log
    _, log = browse(folder / "report.html", tmp_path / "profile")
    assert "CONSOLE" not in log
