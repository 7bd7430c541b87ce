"""Measures what mixing costs, for the simulation of many shards, and writes it down.

One engine lives among drawn people, who ask and click; what it has seen is told to another one, in
pieces of one visit and of many, whose difference is what a lesson costs, and the rest a piece.
Mixers without engines hear of ever more made-up shards; their time beyond what they hand on is
divided by the pairs of shards. Processor time of the thread.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Annotated, Final

import typer

from benchmarks.report import SeedOption, run, show
from benchmarks.scale_costs import Life
from benchmarks.scaling.constants import FILE, Constant, Costs
from recsys.engine import Engine
from recsys.mixing.average import Averager
from recsys.mixing.cut import Contribution
from recsys.mixing.mixer import Mixer
from recsys.mixing.port import Position
from recsys.mixing.wire import open_lessons
from recsys.settings import EngineSettings

__all__ = ["main", "measure"]

_BEFORE: Final = 1500
_FEW: Final = 1
_MANY: Final = 60
_TURNS: Final = 25
_SHARDS: Final = 100
_ROUNDS: Final = 3
_MOST: Final = 64
_COMMAND: Final = "`python -m benchmarks.mix_costs`"


class _Told:
    """A piece: what it took to pack, to open and to learn it, in microseconds, and its bytes."""

    def __init__(self, life: Life, teller: Engine, pupil: Engine, visits: int) -> None:
        after = teller.mix.position.sequence
        for _ in range(visits):
            life.visit()
        begun = thread_time()
        cut = teller.mix.cut(after)
        if cut is None:
            raise RuntimeError("the shard does not mix")
        # One piece, however many lessons.
        (piece,) = cut.seal(100_000)
        packed = thread_time()
        open_lessons(piece.record)
        opened = thread_time()
        pupil.apply([pupil.mix.mixed(piece)])
        self.lessons = len(cut)
        self.seal_us = 1e6 * (packed - begun)
        self.open_us = 1e6 * (opened - packed)
        self.us = 1e6 * (thread_time() - opened)
        self.bytes = float(len(piece.record))


def measure(
    folder: Path, seed: int, *, shards: int = _SHARDS, turns: int = _TURNS, before: int = _BEFORE
) -> dict[str, float]:
    """Return microseconds, or bytes, by name of the constant.

    Parameters
    ----------
    shards
        Of which a mixer hears at most.
    turns
        Pieces of each size.
    before
        Visits before anything counts.
    """
    settings = EngineSettings()
    teller, pupil = Engine.open(folder, settings), Engine.open(None, settings)
    for name, engine in (("a", teller), ("b", pupil)):
        begun = engine.mix.begin(name)
        if begun is not None:
            engine.apply([begun])
    life = Life(teller, seed)
    _Told(life, teller, pupil, before)
    few = [_Told(life, teller, pupil, _FEW) for _ in range(turns)]
    many = [_Told(life, teller, pupil, _MANY) for _ in range(turns)]
    found = dict[str, float]()
    for name in ("seal_us", "open_us", "us", "bytes"):
        verb, _, unit = name.rpartition("_")
        begin = f"{verb}_" if verb else ""
        less, more = (median(getattr(one, name) for one in some) for some in (few, many))
        lessons = median(one.lessons for one in many) - median(one.lessons for one in few)
        each = (more - less) / lessons
        found[f"{begin}lesson_{unit}"] = each
        found[f"{begin}piece_{unit}"] = less - each * median(one.lessons for one in few)
    found |= _rankers(teller, pupil)
    teller.close()
    pupil.close()
    return found | _mixers(shards)


def _rankers(teller: Engine, pupil: Engine) -> dict[str, float]:
    ranking = teller.mix.ranking()
    if ranking is None:
        raise RuntimeError("the ranker is not averaged")
    told_us = _took_us(teller.mix.ranking)
    averager = Averager()
    names = [f"shard-{number}" for number in range(_SHARDS)]
    begun = thread_time()
    for name in names:
        averager.take(name, ranking)
    answers = averager.round()
    brought_us = 1e6 * (thread_time() - begun) / _SHARDS
    answer = answers[names[1]]
    moved_us = _took_us(lambda: pupil.apply([pupil.mix.averaged(answer)]))
    return {
        "ranker_us": told_us + moved_us,
        "ranker_up_bytes": float(len(ranking.record)),
        "ranker_down_bytes": float(len(answer.record)),
        "mixer_ranker_us": brought_us,
    }


def _took_us(deed: Callable[[], object]) -> float:
    begun = thread_time()
    deed()
    return 1e6 * (thread_time() - begun)


def _mixers(shards: int) -> dict[str, float]:
    """Return what a round of book-keeping takes: per piece, of few shards, and per pair of them."""
    small = max(shards // 10, 4)
    piece_us = _round_us(small)[1] / (small * (small - 1))
    heard_us, _ = _round_us(shards)
    return {"mixer_piece_us": piece_us, "mixer_pair_us": heard_us / shards**2}


def _round_us(shards: int) -> tuple[float, float]:
    """Return what hearing and what handing on take in the last of some rounds."""
    names = [f"shard-{number}" for number in range(shards)]
    mixer = Mixer(64 << 20, 2000.0)
    vectors = {one: {other: 0 for other in names if other != one} for one in names}
    record = bytes(600)
    spent = [0.0, 0.0]

    def timed(which: int, begun: float) -> None:
        spent[which] += 1e6 * (thread_time() - begun)

    def hear(name: str, upto: int) -> None:
        position = Position(
            shard=name, sequence=upto, vector=dict(vectors[name]),
            released=0, waiting=0, taken=0, refused=0, thinned=0,
        )  # fmt: skip
        begun = thread_time()
        mixer.hear(position)
        timed(0, begun)

    for turn in range(1, _ROUNDS + 1):
        spent[:] = [0.0, 0.0]
        upto = 1000 * turn
        for name in names:
            hear(name, upto)
            begun = thread_time()
            piece = Contribution(name, mixer.ask(name).after, upto, record)
            mixer.take(name, [piece], None, 300.0)
            timed(1, begun)
        for name in names:
            _serve(mixer, name, vectors[name], partial(hear, name, upto), timed)
    return spent[0], spent[1]


def _serve(
    mixer: Mixer,
    name: str,
    vector: dict[str, int],
    hear: Callable[[], None],
    timed: Callable[[int, float], None],
) -> None:
    while True:
        begun = thread_time()
        lessons = mixer.serving(name, _MOST).lessons
        if not lessons:
            return
        mixer.told(name, lessons)
        timed(1, begun)
        for piece in lessons:
            vector[piece.shard] = piece.upto
        hear()


def main(
    *,
    seed: SeedOption = 1,
    into: Annotated[Path, typer.Option(help="Where the constants are.")] = FILE,
) -> None:
    """Measure what mixing costs, and renew the constants of the simulation."""
    Engine.warm_up(EngineSettings())
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), seed)
    costs = Costs.read(into)
    for name, value in measured.items():
        costs.constants[name] = Constant(
            value=round(value, 2),
            unit="us" if name.endswith("_us") else "bytes",
            kind="measured",
            source=_COMMAND,
        )
    costs.write(into)
    rows = {name: f"{costs.mean(name):,.2f} {costs[name].unit}" for name in measured}
    show("Mixing", rows)


if __name__ == "__main__":
    run(main)
