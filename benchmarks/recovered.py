"""What came of killing shards: times, accounts, and whether all of it is as it should be."""

import msgspec

from benchmarks.books import Books
from benchmarks.figures import Quantiles
from benchmarks.rebuild import Rebuilt

__all__ = ["Kill", "RecoveryResult", "rows"]


class Kill(msgspec.Struct, frozen=True):
    """One kill.

    Attributes
    ----------
    acknowledged
        Events at the moment of the kill.
    back_s
        From the kill to the end of the first list.
    """

    shard: int
    acknowledged: int
    back_s: float


class RecoveryResult(msgspec.Struct, frozen=True):
    """All of it.

    Attributes
    ----------
    elapsed_s
        Of the stream, kills included.
    repeated
        Acknowledgements that said ``duplicate``: the first one was lost with its process.
    ack_ms
        Per batch, all of its attempts included.
    notices
        What the server printed about its shards.
    """

    events: int
    elapsed_s: float
    kills: list[Kill]
    median_s: float | None
    worst_s: float | None
    repeated: int
    ack_ms: Quantiles
    notices: list[str]
    books: Books


def rows(result: RecoveryResult) -> dict[str, str]:
    """Return the result as a table for people."""
    kills = {
        f"kill {number}: shard {kill.shard}, {kill.acknowledged:,} acknowledged": (
            f"answers after {kill.back_s:.2f} s"
        )
        for number, kill in enumerate(result.kills, start=1)
    }
    accounts = result.books.audit
    said = {f"the server, {number}": text for number, text in enumerate(result.notices, start=1)}
    spread = "" if result.median_s is None else f"{result.median_s:.2f} s, {result.worst_s:.2f} s"
    return (
        kills
        | said
        | {
            "median, longest": spread,
            "stream": f"{result.events:,} events in {result.elapsed_s:.1f} s",
            "acknowledgement of a batch": result.ack_ms.text("ms"),
            "acknowledged as duplicates": str(result.repeated),
            "acknowledged": f"{accounts.acknowledged:,}",
            "acknowledged - in the log": str(accounts.lost),
            "acknowledged - learned": str(accounts.not_learned),
            "learned twice": str(accounts.learned_twice),
            "written twice": str(accounts.written_twice),
            "in the log, not acknowledged": str(accounts.unasked),
            "people whose order was lost": str(accounts.out_of_order),
            "learned, as the server counts": f"{result.books.learned:,}",
            "state as if there had been no kill": ", ".join(
                f"shard {shard}: {_same(rebuilt)}"
                for shard, rebuilt in enumerate(result.books.rebuilt)
            ),
        }
    )


def _same(rebuilt: Rebuilt) -> str:
    if rebuilt.different:
        return f"{len(rebuilt.different)} differ ({', '.join(rebuilt.different[:3])}, ...)"
    return f"the same {rebuilt.parts} parts and {rebuilt.people} people"
