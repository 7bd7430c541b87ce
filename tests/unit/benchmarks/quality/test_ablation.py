import dataclasses
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.quality import sets
from benchmarks.quality.ablation import cells_of, main, measure, worth
from benchmarks.quality.runs import Key, Run, Runs
from benchmarks.quality.seeds import Figures
from benchmarks.quality.service import Embedded, play
from benchmarks.quality.sets import SETS, Measured, Source
from benchmarks.quality.variants import DEFAULT, VARIANTS
from benchmarks.quality.verdicts import compare, quantile
from recsys.settings import EngineSettings, Ranker
from simulators.worlds import World, WorldSettings

SMALL = WorldSettings(seed=7, n_people=6, n_items=60)
BASE = EngineSettings()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_serves_and_learns(name: str) -> None:
    settings = VARIANTS[name].settings(BASE)
    assert (settings == BASE) is (name == DEFAULT)
    world = World(SMALL)
    service = Embedded.open(world.catalogue, settings)
    seen, _ = play(service, world, 80)
    stats = service.engine.stats()
    assert stats.failed == 0
    assert stats.examples > 200
    assert all(len(shown.items) == 10 for _, shown in seen)
    if name not in {"vw", "ftrl"}:  # which learn examples
        assert service.engine.state.counters.choices > 5
    assert (stats.replayed > 0) is (name != "no-replays")


def test_a_variant_adds_to_what_is_off_already() -> None:
    base = EngineSettings.model_validate({"candidates": {"without": ["fresh"]}})
    off = VARIANTS["no-tastes"].settings(base).candidates.without
    assert off == ("fresh", "tastes")


def test_only_the_arm_of_the_learner_is_ranked_by_something_else() -> None:
    arms = {"a": {"share": 0.5}, "b": {"share": 0.5, "ranker": "popularity"}}
    base = EngineSettings.model_validate({"arms": arms})
    rankers = {name: arm.ranker for name, arm in VARIANTS["mix"].settings(base).arms.items()}
    assert rankers == {"a": "mix", "b": "popularity"}


def test_a_verdict_is_a_paired_t_test() -> None:
    # The differences are -.03, -.01 and -.02: mean -.02, deviation .01, standard error .00577.
    found = compare([0.10, 0.20, 0.30], [0.13, 0.21, 0.32])
    assert found.mean == pytest.approx(-0.02)
    assert found.deviation == pytest.approx(0.01)
    # 4.303 of them are .0248.
    assert found.verdict == "within noise"
    assert compare([0.10, 0.20, 0.30], [0.126, 0.22, 0.324]).verdict == "adds"
    assert compare([0.126, 0.22, 0.324], [0.10, 0.20, 0.30]).verdict == "hurts"


def test_what_is_the_same_for_every_seed_is_no_noise() -> None:
    assert compare([0.5, 0.25], [0.75, 0.5]).verdict == "adds"
    assert compare([0.5, 0.25], [0.5, 0.25]).verdict == "within noise"
    alone = compare([0.5], [0.75])
    assert (alone.mean, alone.deviation, alone.verdict) == (-0.25, None, "one seed")


def test_quantiles_end_with_ten_seeds() -> None:
    assert [quantile(n) for n in (2, 3, 10, 11, 99)] == [12.706, 4.303, 2.262, 2.262, 2.262]


def fixed(settings: EngineSettings, ranker: Ranker, seed: int) -> Figures:
    """Return figures by which the source of fresh items adds, and the ranker hurts a little."""
    off = "fresh" in settings.candidates.without
    return {"hits": 0.5 + seed / 10 - 0.2 * off + 0.01 * (ranker == "mix"), "flat": 1.0}


def test_runs_are_made_once_and_compared_by_seed(tmp_path: Path) -> None:
    changed = {name: VARIANTS[name].settings(BASE) for name in (DEFAULT, "no-fresh", "mix")}
    runs = Runs(tmp_path / "runs.jsonl")
    first = measure("some", Measured(9, fixed), changed, [1, 2, 3], runs)
    cells = cells_of(first)
    assert cells["no-fresh"]["hits"].by_seed == pytest.approx([0.4, 0.5, 0.6])
    difference = cells["no-fresh"]["hits"].difference
    assert difference is not None
    assert difference.mean == pytest.approx(-0.2)
    assert difference.verdict == "adds"
    assert cells[DEFAULT]["hits"].difference is None
    assert worth({"some": cells}, "no-fresh") == {"adds": ["some hits"], "hurts": []}
    assert worth({"some": cells}, "mix") == {"adds": [], "hurts": ["some hits"]}

    def never(settings: EngineSettings, ranker: Ranker, seed: int) -> Figures:
        raise AssertionError(seed)

    again = Runs(tmp_path / "runs.jsonl")
    assert measure("some", Measured(9, never), changed, [3, 1, 2], again) == {
        name: [of[2], of[0], of[1]] for name, of in first.items()
    }
    for size, seeds in ((8, [1]), (9, [4])):
        with pytest.raises(AssertionError):
            measure("some", Measured(size, never), changed, seeds, again)
    changed = {DEFAULT: BASE.model_copy(update={"seed": 2})}
    with pytest.raises(AssertionError):
        measure("some", Measured(9, never), changed, [1], again)


def a_run(seed: int) -> Run:
    return Run(Key("mix", "world", seed, 10, "abc"), {"of_best": 0.5}, 1.0)


def test_an_interrupted_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    runs = Runs(path)
    for seed in (1, 2):
        runs.add(a_run(seed))
    path.write_bytes(path.read_bytes()[:-5])
    runs = Runs(path)
    assert (runs.get(a_run(1).key), runs.get(a_run(2).key)) == (a_run(1), None)
    runs.add(a_run(3))
    assert Runs(path).get(a_run(3).key) == a_run(3)


def test_a_line_that_is_no_run_is_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    Runs(path).add(a_run(1))
    path.write_bytes(path.read_bytes() + b'{"variant": 1}\n')
    with pytest.raises(typer.BadParameter, match="line 2: no run"):
        Runs(path)


def movies(folder: Path) -> None:
    folder.mkdir()
    rows = [f"u{n % 5},i{n * n % 11},{5 - (n % 7 == 0)},{1000 * n}" for n in range(60)]
    (folder / "ratings.csv").write_text("\n".join(["user,item,rating,timestamp", *rows, ""]))
    items = [f"i{n},Film {n} (1995),{'Crime' if n % 2 else 'Drama'}" for n in range(11)]
    (folder / "items.csv").write_text("\n".join(["item,title,genres", *items, ""]))


def news(folder: Path) -> None:
    folder.mkdir()
    shown = [" ".join(f"N{(n + k) % 9}-{int(k == n % 3)}" for k in range(4)) for n in range(20)]
    lines = [f"{n}\tU{n % 4}\t11/12/2019 2:{n}:46 PM\tN1 N2\t{one}" for n, one in enumerate(shown)]
    (folder / "behaviors.tsv").write_text("\n".join([*lines, ""]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("ml-100k", "ml-1m"):
        movies(tmp_path / name)
    news(tmp_path / "mind-5k")
    return tmp_path


@pytest.fixture
def _small_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(seed: int) -> WorldSettings:
        return dataclasses.replace(SMALL, seed=seed)

    monkeypatch.setattr(sets, "WorldSettings", small)


@pytest.mark.usefixtures("_small_worlds")
def test_every_set_is_measured(data: Path) -> None:
    source = Source(data, events=30, lists=20)
    read = {name: SETS[name](source) for name in SETS}
    sizes = {name: measured.size for name, measured in read.items()}
    assert sizes == {"ml-100k": 51, "ml-1m": 30, "mind-5k": 20, "world": 20}
    for name, measured in read.items():
        figures = measured.measure(BASE, "learner", 1)
        assert all(0.0 <= figure <= 1.0 for figure in figures.values()), name
        assert figures == measured.measure(BASE, "learner", 1)
    for name in ("ml-100k", "mind-5k"):
        assert len({tuple(read[name].measure(BASE, r, 1).values()) for r in RANKERS}) == 2, name


RANKERS: tuple[Ranker, ...] = ("learner", "popularity")


def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(main)
    return app


@pytest.mark.usefixtures("_small_worlds")
def test_a_table_goes_on_where_it_stopped(data: Path) -> None:
    runs, result = data / "runs.jsonl", data / "result.json"
    options = ["--data", str(data), "--lists", "10", "--runs", str(runs), "--sets", "mind-5k,world"]
    done = CliRunner().invoke(app(), [*options, "--variants", "mix", "--seeds", "1"])
    assert done.exit_code == 0, done.output
    assert "one seed" in done.output
    before = runs.read_bytes()
    options += ["--variants", "mix,no-fresh", "--seeds", "1,2", "--json", str(result)]
    done = CliRunner().invoke(app(), options)
    assert done.exit_code == 0, done.output
    assert runs.read_bytes().startswith(before)
    assert len(runs.read_text().splitlines()) == 2 * 3 * 2
    document = msgspec.json.decode(result.read_bytes())
    assert document["benchmark"] == "ablation"
    assert document["parameters"]["sizes"] == {"mind-5k": 20, "world": 10}
    assert set(document["result"]["sets"]["world"]) == {DEFAULT, "no-fresh", "mix"}
    assert set(document["result"]["worth"]) == {"no-fresh", "mix"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sets", "netflix"], "knows ml-100k"),
        (["--variants", "no-nothing"], "no-nothing"),
        (["--sets", "ml-1m"], "ml-1m"),
        (["--sets", "world", "--runs", "/nowhere/runs.jsonl"], "there is no folder"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: list[str], words: str) -> None:
    done = CliRunner().invoke(app(), ["--data", str(tmp_path / "empty"), *options])
    assert done.exit_code == 2
    assert words in done.output


def test_a_part_that_cannot_be_taken_is_refused_before_anything_runs(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("engine: {arms: {a: {ranker: popularity}}}\n")
    options = ["--config", str(config), "--sets", "world", "--variants", "no-popular"]
    done = CliRunner().invoke(app(), options)
    assert done.exit_code == 2
    assert "no-popular" in done.output
