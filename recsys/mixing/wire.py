"""Lessons as bytes: columns of whole numbers, each as few bytes wide as its largest, compressed.

A person's likes come in sittings, so that the past of a like is most often the past of the like
before it and that like: a *chain* tells its past once, and each of its likes only an item and a
time. Chains have no name; who they are of never travels.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.codec import open_record, seal_record
from recsys.errors import CorruptRecord, InvalidEvent
from recsys.ids import check_id
from recsys.mixing.lessons import Click, Lessons, Like, Show, TasteSums

__all__ = ["open_lessons", "seal_lessons"]

T = TypeVar("T", int, float)

_LEVEL = 6
_LARGEST = 64 << 20
"""Bytes of a record, once it is no longer compressed."""
_LONGEST = 1 << 20
"""Numbers of a column."""
_END_MS = 253_402_300_800_000  # year 10000
_LONGEST_PAST = 1000


class _Numbers(msgspec.Struct, array_like=True, frozen=True):
    """A column: zigzagged, the lowest bytes of all, then the next ones, ``n * width`` bytes."""

    n: int
    width: int
    data: bytes


class _Floats(msgspec.Struct, array_like=True, frozen=True):
    """A column of doubles or, where ``alike``, of one that all are."""

    n: int
    alike: bool
    data: bytes


class _Wire(msgspec.Struct, array_like=True, frozen=True):
    """What a record holds; times are told as differences.

    Attributes
    ----------
    past_sizes, past_items, past_times
        Of each chain; times before the chain's first like.
    """

    ids: list[str]
    history: int
    past_sizes: _Numbers
    past_items: _Numbers
    past_times: _Numbers
    chains: _Numbers
    liked: _Numbers
    liked_times: _Numbers
    depths: _Numbers
    strengths: _Floats
    like_weights: _Floats
    show_times: _Numbers
    show_sizes: _Numbers
    show_items: _Numbers
    show_weights: _Floats
    clicked: _Numbers
    click_times: _Numbers
    click_sizes: _Numbers
    click_items: _Numbers
    click_shares: _Floats
    click_surfaces: _Numbers
    click_weights: _Floats
    surfaces: list[tuple[int, ...]]
    tastes: TasteSums


_decoder = msgspec.msgpack.Decoder(_Wire)


def seal_lessons(lessons: Lessons, history: int) -> bytes:
    """Return the record of some lessons.

    Parameters
    ----------
    history
        How long a past is at most.
    """
    past, chains = _chained(lessons.likes, history)
    surfaces = dict[tuple[int, ...], int]()
    told = [surfaces.setdefault(one.tokens, len(surfaces)) for one in lessons.clicks]
    likes, shows, clicks = lessons.likes, lessons.shows, lessons.clicks
    wire = _Wire(
        lessons.ids,
        history,
        _numbers([len(one.items) for one in past]),
        _numbers([item for one in past for item in one.items]),
        _numbers([one.ts_ms - at for one in past for at in one.times_ms]),
        _numbers(chains),
        _numbers([one.item for one in likes]),
        _differences([one.ts_ms for one in likes]),
        _numbers([one.depth for one in likes]),
        _floats([one.strength for one in likes]),
        _floats([one.weight for one in likes]),
        _differences([one.ts_ms for one in shows]),
        _numbers([len(one.items) for one in shows]),
        _numbers([item for one in shows for item in one.items]),
        _floats([one.weight for one in shows]),
        _numbers([one.item for one in clicks]),
        _differences([one.ts_ms for one in clicks]),
        _numbers([len(one.items) for one in clicks]),
        _numbers([item for one in clicks for item in one.items]),
        _floats([share for one in clicks for share in one.shares]),
        _numbers(told),
        _floats([one.weight for one in clicks]),
        list(surfaces),
        lessons.tastes,
    )
    return seal_record(zlib.compress(msgspec.msgpack.encode(wire), _LEVEL))


def open_lessons(record: bytes) -> Lessons:
    """Return the lessons of a record; their sequences are 0, their persons number the chains.

    Raises
    ------
    CorruptRecord
        When the record is damaged or says what no shard can have seen.
    """
    packed = open_record(record)
    inflate = zlib.decompressobj()
    try:
        payload = inflate.decompress(packed, _LARGEST)
        if not inflate.eof:
            detail = f"lessons are cut off, or longer than {_LARGEST} bytes"
            raise CorruptRecord(detail)
        wire = _decoder.decode(payload)
        for item_id in wire.ids:
            check_id(item_id, "")
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, InvalidEvent) as error:
        detail = f"the record holds no lessons: {error}"
        raise CorruptRecord(detail) from error
    if not 0 <= wire.history <= _LONGEST_PAST:
        detail = f"a past of {wire.history} likes is longer than any"
        raise CorruptRecord(detail)
    return Lessons(wire.ids, _likes(wire), _shows(wire), _clicks(wire), wire.tastes)


def _chained(likes: Sequence[Like], history: int) -> tuple[list[Like], list[int]]:
    """Return the first like of each chain, and of which chain each like is."""
    first = list[Like]()
    open_chains = dict[int, tuple[int, list[int], list[int]]]()
    chains = list[int]()
    for like in likes:
        items, times_ms = list(like.items), list(like.times_ms)
        chain = open_chains.get(like.person)
        if chain is None or _past_in(like, chain[1], chain[2], history) != (items, times_ms):
            chain = (len(first), items, times_ms)
            open_chains[like.person] = chain
            first.append(like)
            if like.depth < 0:
                # Its own item was told before it, in another record.
                chains.append(chain[0])
                chain[1].append(like.item)
                chain[2].append(like.ts_ms)
                continue
        chains.append(chain[0])
        _go_on(like, chain[1], chain[2])
    return first, chains


def _past_in(
    like: Like, items: list[int], times_ms: list[int], history: int
) -> tuple[list[int], list[int]]:
    """Return the past of a like as its chain tells it."""
    end = len(items) - (1 if like.depth < 0 and items else 0)
    begin = max(end - history, 0)
    return items[begin:end], times_ms[begin:end]


def _go_on(like: Like, items: list[int], times_ms: list[int]) -> None:
    if like.depth >= 0:
        items.append(like.item)
        times_ms.append(like.ts_ms)


def _likes(wire: _Wire) -> list[Like]:
    n_items = len(wire.ids)
    sizes = _listed(wire.past_sizes, 0, wire.history)
    chains = _listed(wire.chains, 0, len(sizes) - 1)
    n = len(chains)
    _check_sizes(sum(sizes), wire.past_items, wire.past_times)
    _check_sizes(n, wire.liked, wire.liked_times, wire.depths, wire.strengths, wire.like_weights)
    past_items = _listed(wire.past_items, 0, n_items - 1)
    past_times = _listed(wire.past_times, -_END_MS, _END_MS)
    ends = np.cumsum([0, *sizes]).tolist()
    out = list[Like]()
    known = dict[int, tuple[list[int], list[int]]]()
    for chain, item, ts_ms, depth, strength, weight in zip(
        chains,
        _listed(wire.liked, 0, n_items - 1),
        _summed(wire.liked_times),
        _listed(wire.depths, -1, _LONGEST_PAST),
        _doubles(wire.strengths),
        _doubles(wire.like_weights),
        strict=True,
    ):
        if chain not in known:
            own = slice(ends[chain], ends[chain + 1])
            times_ms = [ts_ms - before for before in past_times[own]]
            if times_ms and not 0 <= min(times_ms) <= max(times_ms) < _END_MS:
                _refuse("a like of the past lies out of time")
            known[chain] = (past_items[own], times_ms)
            items = known[chain][0]
            past = (list(items), list(times_ms))
            if depth < 0:
                items.append(item)
                times_ms.append(ts_ms)
        else:
            like = Like(0, chain, item, ts_ms, strength, depth, (), ())
            past = _past_in(like, *known[chain], wire.history)
        out.append(
            Like(0, chain, item, ts_ms, strength, depth, tuple(past[0]), tuple(past[1]), weight)
        )
        _go_on(out[-1], *known[chain])
    return out


def _shows(wire: _Wire) -> list[Show]:
    sizes = _listed(wire.show_sizes, 0, _LONGEST)
    _check_sizes(len(sizes), wire.show_times, wire.show_weights)
    _check_sizes(sum(sizes), wire.show_items)
    items = _cut(_listed(wire.show_items, 0, len(wire.ids) - 1), sizes)
    times, weights = _summed(wire.show_times), _doubles(wire.show_weights)
    return [
        Show(0, 0, ts_ms, tuple(shown), weight)
        for ts_ms, shown, weight in zip(times, items, weights, strict=True)
    ]


def _clicks(wire: _Wire) -> list[Click]:
    sizes = _listed(wire.click_sizes, 0, _LONGEST)
    n, last = len(sizes), len(wire.ids) - 1
    _check_sizes(n, wire.clicked, wire.click_times, wire.click_surfaces, wire.click_weights)
    _check_sizes(sum(sizes), wire.click_items, wire.click_shares)
    return [
        Click(0, 0, item, ts_ms, tuple(items), tuple(shares), wire.surfaces[surface], weight)
        for item, ts_ms, items, shares, surface, weight in zip(
            _listed(wire.clicked, 0, last),
            _summed(wire.click_times),
            _cut(_listed(wire.click_items, 0, last), sizes),
            _cut(_doubles(wire.click_shares), sizes),
            _listed(wire.click_surfaces, 0, len(wire.surfaces) - 1),
            _doubles(wire.click_weights),
            strict=True,
        )
    ]


def _cut(values: Sequence[T], sizes: Sequence[int]) -> Iterable[Sequence[T]]:
    end = 0
    for size in sizes:
        yield values[end : end + size]
        end += size


def _numbers(values: Sequence[int]) -> _Numbers:
    signed = np.array(values, "<i8")
    zigzag = ((signed << 1) ^ (signed >> 63)).astype("<u8")
    width = (int(zigzag.max(initial=0)).bit_length() + 7) // 8
    planes = zigzag.view(np.uint8).reshape(-1, 8)[:, :width].T
    return _Numbers(len(signed), width, planes.tobytes())


def _differences(times_ms: Sequence[int]) -> _Numbers:
    return _numbers(np.diff(np.array(times_ms, np.int64), prepend=0).tolist())


def _floats(values: Sequence[float]) -> _Floats:
    if values and all(value == values[0] for value in values):
        return _Floats(len(values), alike=True, data=np.array(values[:1], "<f8").tobytes())
    planes = np.array(values, "<f8").view(np.uint8).reshape(-1, 8).T
    return _Floats(len(values), alike=False, data=planes.tobytes())


def _integers(column: _Numbers) -> NDArray[np.int64]:
    if not 0 <= column.n <= _LONGEST:
        _refuse(f"a column of {column.n}")
    if not 0 <= column.width <= 8 or len(column.data) != column.n * column.width:
        _refuse(f"{len(column.data)} bytes are not {column.n} numbers of {column.width}")
    planes = np.zeros((column.n, 8), np.uint8)
    if column.width:
        flat = np.frombuffer(column.data, np.uint8)
        planes[:, : column.width] = flat.reshape(column.width, column.n).T
    zigzag = planes.view("<u8").ravel()
    signed: NDArray[np.int64] = (zigzag >> np.uint64(1)).astype(np.int64)
    return signed ^ -(zigzag & np.uint64(1)).astype(np.int64)


def _listed(column: _Numbers, least: int, largest: int) -> list[int]:
    values = _integers(column)
    if len(values) and not least <= values.min() <= values.max() <= largest:
        _refuse(f"a number lies out of {least}..{largest}")
    listed: list[int] = values.tolist()
    return listed


def _summed(column: _Numbers) -> list[int]:
    steps = _integers(column)
    if len(steps) and np.abs(steps.astype(np.float64)).max() > _END_MS:
        _refuse("a step is longer than time")
    times: NDArray[np.int64] = np.cumsum(steps)
    if len(times) and not 0 <= times.min() <= times.max() < _END_MS:
        _refuse("a time lies before 1970 or after the year 9999")
    listed: list[int] = times.tolist()
    return listed


def _doubles(column: _Floats) -> list[float]:
    stored = 1 if column.alike else column.n
    if not 0 <= column.n <= _LONGEST or len(column.data) != 8 * stored:
        _refuse(f"{len(column.data)} bytes are not {column.n} numbers")
    planes = np.frombuffer(column.data, np.uint8)
    if not column.alike:
        planes = np.ascontiguousarray(planes.reshape(8, column.n).T).ravel()
    values = planes.view("<f8")
    if not np.isfinite(values).all() or np.abs(values).max(initial=0.0) > _LARGEST:
        _refuse("a number is not finite, or far too large")
    listed: list[float] = values.tolist()
    return listed * column.n if column.alike else listed


def _check_sizes(n: int, *columns: _Numbers | _Floats) -> None:
    for column in columns:
        if column.n != n:
            _refuse(f"a column of {column.n} stands beside one of {n}")


def _refuse(detail: str) -> None:
    raise CorruptRecord(detail)
