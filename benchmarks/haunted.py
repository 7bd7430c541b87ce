"""What came of a nemesis: outages, accounts, history, and whether all is as it should be."""

from collections.abc import Callable, Iterable
from typing import Self

import msgspec

from benchmarks.books import Books
from benchmarks.history import Findings
from benchmarks.torment import Suffered
from benchmarks.usage import Used

__all__ = ["Haunted", "Outcome"]

Haunted = Used[list[Suffered]]


class Outcome(msgspec.Struct, frozen=True):
    """The last line.

    Attributes
    ----------
    acked
        Events whose senders were told that they are safe.
    lost, doubled, bytes_equal
        As ``benchmarks.books.Books``.
    outage_max_s
        By kind of strike, the longest that those whom it hit were without a list.
    silence_max_s
        By kind, the longest that they were without an ack.
    resumed
        Whether everybody was served in the end, and the server said that it is ready.
    out_of_order
        People whose events stand in their log in another order than they were sent in.
    findings
        As ``benchmarks.history``.
    broken
        What should have been otherwise, strike by strike.
    repeated
        Acknowledgements that said ``duplicate``: the first one was lost.
    clean
        Whether nothing at all is wrong.
    status
        The server's, at its end.
    minutes
        From the first strike to the last.
    """

    strikes: int
    acked: int
    lost: int
    doubled: int
    bytes_equal: bool
    outage_max_s: dict[str, float]
    silence_max_s: dict[str, float]
    resumed: bool
    out_of_order: int
    findings: Findings
    broken: list[str]
    repeated: int
    clean: bool
    status: int
    minutes: float

    @property
    def passed(self) -> bool:
        """Whether the proof holds."""
        return self.clean and self.resumed and self.status == 0

    @classmethod
    def of(
        cls, done: Haunted, books: Books, findings: Findings, *, resumed: bool, status: int
    ) -> Self:
        """Sum up."""
        broken = [f"{one.ordeal.name}: {text}" for one in done.outcome for text in one.broken]
        return cls(
            strikes=len(done.outcome),
            acked=books.audit.acknowledged,
            lost=books.lost,
            doubled=books.doubled,
            bytes_equal=books.bytes_equal,
            outage_max_s=_longest(done.outcome, lambda one: one.outage_s),
            silence_max_s=_longest(done.outcome, lambda one: one.silence_s),
            resumed=resumed,
            out_of_order=books.audit.out_of_order,
            findings=findings,
            broken=broken,
            repeated=done.sender.repeated,
            clean=books.clean and findings.clean and not broken,
            status=status,
            minutes=round(done.seconds / 60.0, 1),
        )


def _longest(done: Iterable[Suffered], of: Callable[[Suffered], float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in done:
        found[one.ordeal.kind] = max(of(one), found.get(one.ordeal.kind, 0.0))
    return dict(sorted(found.items()))
