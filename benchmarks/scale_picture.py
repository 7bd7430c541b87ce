"""Draws costs over sizes as a picture; apart, because matplotlib may be missing."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["picture"]


def picture(path: Path, curves: Mapping[str, Mapping[int, float]]) -> None:
    """Draw curves, by what grows, into a file."""
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), marker="o", label=f"more {name}")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("how many there are")
    axes.set_ylabel("us of one core per request")
    axes.legend()
    figure.savefig(path)
