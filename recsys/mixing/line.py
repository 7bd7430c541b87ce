"""What one shard has seen, as a mixer keeps it, and up to where the others have it."""

from collections.abc import Iterator

from recsys.mixing.cut import Contribution

__all__ = ["Least", "Line"]


class Least:
    """The least of many numbers that come, change and go one at a time.

    To go on without the least costs as much as there are different ones; all else is cheap.
    """

    def __init__(self) -> None:
        self._times: dict[int, int] = {}
        self.value = 0
        """The least of them, 0 when there are none."""

    def above(self, number: int) -> list[int]:
        """Return those above a number, each once, in order."""
        return sorted(one for one in self._times if one > number)

    def add(self, number: int) -> None:
        """Take in one more."""
        times = self._times
        self.value = min(self.value, number) if times else number
        times[number] = times.get(number, 0) + 1

    def remove(self, number: int) -> None:
        """Go on without one of them."""
        times = self._times
        if times[number] > 1:
            times[number] -= 1
            return
        del times[number]
        if number == self.value:
            self.value = min(times, default=0)


class Line:
    """Pieces that follow each other, the first ones gone.

    Attributes
    ----------
    known
        Up to where each other shard has them.
    size
        Bytes kept.
    upto
        Where the last piece ends, ``None`` before the first one.
    """

    def __init__(self) -> None:
        self.known = Least()
        self.size = 0
        self.upto: int | None = None
        # By where they begin: one after the other is found without a search.
        self._pieces: dict[int, Contribution] = {}
        self._begin = 0
        self._dropped = False

    def __len__(self) -> int:
        """Return how many pieces are kept."""
        return len(self._pieces)

    def put(self, piece: Contribution) -> None:
        """Take in what comes next."""
        if self._pieces and piece.after != self.upto:
            # Another mixer, or a log that lost its end: what is kept says nothing of what follows.
            self._pieces.clear()
            self.size = 0
        if not self._pieces:
            self._begin = piece.after
        self._pieces[piece.after] = piece
        self.size += len(piece.record)
        self.upto = piece.upto

    def drop_first(self) -> None:
        """Give up the oldest piece, whoever lacks it."""
        piece = self._pieces.pop(self._begin)
        self._begin = piece.upto
        self._dropped = True
        self.size -= len(piece.record)

    def drop_known(self) -> None:
        """Drop what all others have."""
        released = self.known.value
        while self._pieces and self._pieces[self._begin].upto <= released:
            self.drop_first()

    def lacks(self, sequence: int | None) -> bool:
        """Return whether some of what follows a sequence is not here any more.

        Who is beyond the last piece, because of a base, lacks nothing: what comes is cut there.
        """
        if sequence is None:
            return self._dropped
        return self.upto is not None and sequence < self.upto and sequence not in self._pieces

    def keeps(self, piece: Contribution) -> bool:
        """Return whether a piece is here, whatever became of its lessons."""
        return piece.after in self._pieces

    def resumes(self, sequence: int | None) -> int | None:
        """Return from where on all is here again, ``None`` when that is not beyond a sequence."""
        if sequence is None:
            return self._begin
        begins = (self._begin, *(piece.upto for piece in self._pieces.values()))
        return next((at for at in begins if at > sequence), None)

    def after(self, sequence: int | None) -> Iterator[Contribution]:
        """Yield the pieces that follow a sequence, none when some are not here any more."""
        at = self._begin if sequence is None else sequence
        while (piece := self._pieces.get(at)) is not None:
            yield piece
            at = piece.upto
