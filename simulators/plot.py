"""Draws click rates over time as a PNG."""

from pathlib import Path
from typing import Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simulators.measure import Tally
from simulators.report import Summary

__all__ = ["draw"]

_POINTS: Final = 40
"""Fewer, wider windows: a click rate over few slots is noise."""


def draw(summary: Summary, path: Path) -> None:
    """Write click rate by arm over time, with what was possible and what random lists get."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    everyone: dict[int, Tally] = {}
    step_s = max(summary.elapsed_s / _POINTS, max(summary.width_s.values(), default=1.0))
    for arm, windows in summary.series.items():
        joined = _join(windows, summary.width_s[arm], step_s)
        for place, tally in joined.items():
            everyone.setdefault(place, Tally()).add(tally)
        times = [(place + 0.5) * step_s for place in joined]
        rates = [100 * tally.click_rate for tally in joined.values()]
        axes.plot(times, rates, marker=".", label=arm)
    times = [(place + 0.5) * step_s for place in sorted(everyone)]
    tallies = [everyone[place] for place in sorted(everyone)]
    best = [100 * tally.per_slot(tally.best) for tally in tallies]
    uniform = [100 * tally.per_slot(tally.uniform) for tally in tallies]
    axes.plot(times, best, "--", color="0.5", label="best possible")
    axes.plot(times, uniform, ":", color="0.5", label="random, expected")
    if summary.switched_at_s is not None:
        axes.axvline(summary.switched_at_s, color="0.3", linewidth=1)
        at = (summary.switched_at_s, 0.97)
        axes.annotate(" tastes switch", at, xycoords=("data", "axes fraction"), va="top")
    axes.set(xlabel="seconds", ylabel="clicks per shown slot, %", title="Click rate by arm")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=6)
    figure.savefig(path, dpi=120)


def _join(windows: list[Tally], width_s: float, step_s: float) -> dict[int, Tally]:
    """Return tallies by step, only of steps in which something was shown."""
    joined: dict[int, Tally] = {}
    for place, window in enumerate(windows):
        if window.shown:
            joined.setdefault(int(place * width_s / step_s), Tally()).add(window)
    return joined
