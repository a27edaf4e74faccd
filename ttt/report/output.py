"""Figures as files and as SVG inside a page. All text is plain: a name is never read as mathematics or as markup."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.text import Text

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def settle(figure: Figure) -> None:
    """Lay the figure out once and keep that; otherwise every file would do it again, the costliest part of drawing."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # "none" would leave a placeholder, for which every file is drawn twice


def save_figure(figure: Figure, folder: Path, name: str, title: str) -> list[Path]:
    """`name`.png and `name`.svg in the folder; the same figure gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    svg.write_bytes(svg_of(figure, title))
    figure.savefig(png, metadata={"Title": title})
    return [png, svg]


def svg_of(figure: Figure, title: str) -> bytes:
    """The figure as a file's content."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    settle(figure)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "ttt"}):
        figure.savefig(buffer, format="svg", metadata={**METADATA, "Title": title})
    return buffer.getvalue()


def inline_svg(svg: bytes, name: str, description: str) -> Markup:
    """A figure's SVG as one element that scales with the page: ids of its own, no style sheet, no address."""
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in [child for child in parent if child.tag in (f"{SVG}style", f"{SVG}metadata", f"{SVG}title")]:
            parent.remove(child)  # the page has these rules itself, and here they would apply to all of it
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        element.attrib = {key.removeprefix(XLINK): _renamed(key, value, name) for key, value in element.attrib.items()}
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": description}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _renamed(key: str, value: str, name: str) -> str:
    """Ids must differ between the figures of a page, and references follow them."""
    if key == "id":
        return f"{name}-{value}"
    if key == f"{XLINK}href":
        return value.replace("#", f"#{name}-", 1)
    return value.replace("url(#", f"url(#{name}-")
