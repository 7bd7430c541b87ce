"""Draws costs over sizes: a picture where matplotlib is installed, else lines of text."""

import importlib
import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["Curves", "draw", "text_plot"]

_PICTURES: Final = {".png", ".svg", ".pdf"}
_WIDTH: Final = 60

Curves = Mapping[str, Mapping[int, float]]
"""By what grows: microseconds by how many of it there are."""


def draw(path: Path, curves: Curves) -> str:
    """Draw curves into a file, and return what was done.

    Parameters
    ----------
    path
        Its ending says what it is to be.
    """
    if path.suffix.lower() not in _PICTURES:
        path.write_text(text_plot(curves))
        return f"drawn as text in {path}"
    if find_spec("matplotlib") is None:
        path = path.with_suffix(".txt")
        path.write_text(text_plot(curves))
        return f"matplotlib is not installed: drawn as text in {path}"
    importlib.import_module("benchmarks.scale_picture").picture(path, curves)
    return f"drawn in {path}"


def text_plot(curves: Curves) -> str:
    """Return a bar for each size, from 0 on."""
    most = max(cost for curve in curves.values() for cost in curve.values())
    lines = ["microseconds of one core per request"]
    for name, curve in curves.items():
        for size, cost in curve.items():
            bar = "#" * max(1, math.floor(_WIDTH * cost / most))
            lines.append(f"{size:>12,} {name:<8}{cost:>10,.0f}  {bar}")
    return "\n".join(lines) + "\n"
