"""What a run has measured: collected while it goes, shown as a table, kept as JSON."""

from collections import Counter
from collections.abc import Mapping

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recsys.client import EventResults, ServerStats
from recsys.errors import ApiError, Unreachable
from simulators.measure import Latency, Series, Tally

__all__ = ["Quantiles", "Report", "Summary"]


class Quantiles(msgspec.Struct, frozen=True):
    """Latency in milliseconds, ``None`` when nothing was measured."""

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A report as a document.

    Attributes
    ----------
    arms
        Tallies of the whole run by arm.
    second_half
        The same of the second half of the time.
    series
        Tallies by arm and window; the windows are ``width_s`` wide and start at 0.
    switched_at_s
        When all tastes were switched.
    errors
        Requests without a usable answer after all attempts, by what was asked and the status.
    """

    elapsed_s: float
    arms: dict[str, Tally]
    second_half: dict[str, Tally]
    series: dict[str, list[Tally]]
    width_s: dict[str, float]
    accepted: int
    duplicates: int
    failed: int
    recommend: Quantiles
    events: Quantiles
    errors: dict[str, int]
    switched_at_s: float | None


class Report:
    """Takes in what happens.

    Attributes
    ----------
    elapsed_s
        Of the run so far; the driver keeps it current.
    """

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.switched_at_s: float | None = None
        self.arms: dict[str, Series] = {}
        self.accepted = 0
        self.duplicates = 0
        self.failed = 0
        self.recommend = Latency()
        self.events = Latency()
        self.errors: Counter[str] = Counter()
        self.last_error = ""
        self._shown_at_s = 0.0
        self._shown_events = 0
        self._shown: dict[str, Tally] = {}

    def saw(self, arm: str, tally: Tally) -> None:
        """Count a list that was looked at."""
        self.arms.setdefault(arm, Series()).add(self.elapsed_s, tally)

    def sent(self, results: EventResults) -> None:
        """Count what became of events."""
        self.accepted += results.accepted
        self.duplicates += results.duplicates
        self.failed += results.failed

    def went_wrong(self, asked: str, error: ApiError | Unreachable) -> None:
        """Count a request without a usable answer."""
        status = f"HTTP {error.status}" if isinstance(error, ApiError) else "no answer"
        self.errors[f"{asked}: {status}"] += 1
        self.last_error = str(error)

    @property
    def total(self) -> Tally:
        """Sums over all arms."""
        total = Tally()
        for series in self.arms.values():
            total.add(series.total)
        return total

    @property
    def second_half(self) -> dict[str, Tally]:
        """Sums over the second half of the time so far, by arm."""
        return {arm: series.since(self.elapsed_s / 2) for arm, series in sorted(self.arms.items())}

    def summary(self) -> Summary:
        """Return the report as it is now."""
        return Summary(
            elapsed_s=round(self.elapsed_s, 3),
            arms={arm: series.total for arm, series in sorted(self.arms.items())},
            second_half=self.second_half,
            series={arm: series.windows for arm, series in sorted(self.arms.items())},
            width_s={arm: series.width_s for arm, series in sorted(self.arms.items())},
            accepted=self.accepted,
            duplicates=self.duplicates,
            failed=self.failed,
            recommend=_quantiles(self.recommend),
            events=_quantiles(self.events),
            errors=dict(sorted(self.errors.items())),
            switched_at_s=self.switched_at_s,
        )

    def table(self, stats: ServerStats | None = None, *, title: str) -> RenderableType:
        """Return a table of all arms; "now" is the time since the last call.

        Parameters
        ----------
        stats
            The server's, for the freshness of its models.
        """
        recent = {}
        for arm, series in self.arms.items():
            total, before = series.total, self._shown.get(arm, Tally())
            recent[arm] = Tally(0, total.shown - before.shown, total.clicks - before.clicks)
            self._shown[arm] = msgspec.structs.replace(total)
        now_s = self.elapsed_s - self._shown_at_s
        per_s = (self.accepted - self._shown_events) / now_s if now_s > 0 else 0.0
        self._shown_at_s = self.elapsed_s
        self._shown_events = self.accepted
        return Group(
            self._arms("rate now", recent, title),
            *(Text(line) for line in self._lines(f"{per_s:,.0f}/s now, ", stats)),
        )

    def final(self, stats: ServerStats | None = None, *, title: str) -> RenderableType:
        """Return the last table; like ``table``, with the second half in the place of "now"."""
        half = self.second_half
        lines = [*_comparison(half), *self._lines("", stats)]
        return Group(self._arms("second half", half, title), *(Text(line) for line in lines))

    def _arms(self, name: str, recent: Mapping[str, Tally], title: str) -> Table:
        table = Table(title=title, title_justify="left")
        table.add_column("arm")
        for column in ("decisions", "clicks", name, "rate", "best", "random"):
            table.add_column(column, justify="right")
        for arm, series in sorted(self.arms.items()):
            total = series.total
            table.add_row(
                Text(arm),
                f"{total.decisions:,}",
                f"{total.clicks:,}",
                f"{recent[arm].click_rate:.2%}" if recent[arm].shown else "-",
                f"{total.click_rate:.2%}",
                f"{total.per_slot(total.best):.2%}",
                f"{total.per_slot(total.uniform):.2%}",
            )
        return table

    def _lines(self, now: str, stats: ServerStats | None) -> list[str]:
        overall = self.accepted / self.elapsed_s if self.elapsed_s > 0 else 0.0
        lines = [
            f"events: {self.accepted:,} accepted, {self.duplicates:,} duplicates, "
            f"{self.failed:,} failed; {now}{overall:,.0f}/s overall",
            f"recommend: {_phrase(self.recommend)}; events acknowledged: {_phrase(self.events)}",
        ]
        if stats is not None and (freshness := _freshness(stats)):
            lines.append(freshness)
        if self.errors:
            counts = ", ".join(f"{count:,} x {name}" for name, count in self.errors.most_common(5))
            lines.append(f"errors: {counts}; the last one: {self.last_error}")
        return lines


def _quantiles(latency: Latency) -> Quantiles:
    return Quantiles(
        latency.count, latency.quantile(0.5), latency.quantile(0.95), latency.quantile(0.99)
    )


def _phrase(latency: Latency) -> str:
    found = _quantiles(latency)
    if found.p50_ms is None or found.p99_ms is None:
        return "none yet"
    return f"p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms"


def _comparison(arms: Mapping[str, Tally]) -> list[str]:
    """Return one line that holds the best arm against the others, none when there is nothing."""
    rates = {arm: tally.click_rate for arm, tally in arms.items() if tally.clicks}
    if len(rates) < 2:
        return []
    best = max(rates, key=rates.__getitem__)
    others = [
        f"{rates[best] / rate:.1f} times that of {arm}"
        for arm, rate in rates.items()
        if arm != best
    ]
    return [f"in the second half the click rate of {best} was {', '.join(others)}"]


def _freshness(stats: ServerStats) -> str:
    """Return one line on the slowest shard, empty when no shard has learned anything yet."""
    p50 = [shard.freshness_p50_ms for shard in stats.shards if shard.freshness_p50_ms is not None]
    p99 = [shard.freshness_p99_ms for shard in stats.shards if shard.freshness_p99_ms is not None]
    if not p50 or not p99:
        return ""
    return f"an event is learned after: p50 {max(p50):.1f} ms, p99 {max(p99):.1f} ms"
