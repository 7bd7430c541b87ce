"""What each part of the engine is worth: everything else the same, with and without it.

Runs are variants (``benchmarks.quality.variants``) by sets (``benchmarks.quality.sets``) by seeds.
A table per set says how each variant differs from the default and whether that is noise
(``benchmarks.quality.verdicts``), and a last one where a part adds and where it hurts. A part is
worth keeping if it adds somewhere and hurts nowhere.
"""

import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from actors.cli.problems import read_settings
from benchmarks.quality.runs import Key, Run, Runs
from benchmarks.quality.seeds import ConfigOption, parse_seeds
from benchmarks.quality.sets import SETS, Measured, Source
from benchmarks.quality.variants import DEFAULT, VARIANTS
from benchmarks.quality.verdicts import Difference, Verdict, compare, quantile
from benchmarks.report import JsonOption, check_writable, run, show, write
from recsys.errors import InvalidDataset
from recsys.settings import EngineSettings

__all__ = ["Cell", "Cells", "cells_of", "main", "measure", "worth"]


class Cell(msgspec.Struct, frozen=True):
    """One figure of one variant on one set.

    Attributes
    ----------
    difference
        To the default; ``None`` for the default itself.
    """

    mean: float
    by_seed: list[float]
    difference: Difference | None


Cells = dict[str, dict[str, Cell]]
"""Of one set, by variant and figure."""


def measure(
    name: str,
    measured: Measured,
    variants: Mapping[str, EngineSettings],
    seeds: Sequence[int],
    runs: Runs,
) -> dict[str, list[Run]]:
    """Return the runs of one set by variant, in the order of the seeds; only new ones are made."""
    found: dict[str, list[Run]] = {variant: [] for variant in variants}
    for seed in seeds:
        for variant, settings in variants.items():
            key = Key(variant, name, seed, measured.size, _digest(settings))
            done = runs.get(key)
            if done is None:
                Console(stderr=True).print(f"{name}, seed {seed}: {variant}", highlight=False)
                started = time.perf_counter()
                figures = measured.measure(settings, VARIANTS[variant].ranker, seed)
                done = Run(key, figures, round(time.perf_counter() - started, 1))
                runs.add(done)
            found[variant].append(done)
    return found


def _digest(settings: EngineSettings) -> str:
    return hashlib.blake2b(settings.model_dump_json().encode(), digest_size=8).hexdigest()


def cells_of(found: Mapping[str, Sequence[Run]]) -> Cells:
    """Return what the runs of one set say."""
    cells = Cells()
    for variant, runs in found.items():
        cells[variant] = {}
        for figure in runs[0].figures:
            values = [done.figures[figure] for done in runs]
            whole = [done.figures[figure] for done in found[DEFAULT]]
            difference = None if variant == DEFAULT else compare(values, whole)
            cells[variant][figure] = Cell(fmean(values), values, difference)
    return cells


def worth(tables: Mapping[str, Cells], variant: str) -> dict[Verdict, list[str]]:
    """Return on which sets and figures the part that a variant lacks adds, and where it hurts."""
    where: dict[Verdict, list[str]] = {"adds": [], "hurts": []}
    for name, cells in tables.items():
        for figure, cell in cells[variant].items():
            if cell.difference is not None and cell.difference.verdict in where:
                where[cell.difference.verdict].append(f"{name} {figure}")
    return where


def _show_set(name: str, cells: Cells, n_seeds: int) -> None:
    beyond = f", beyond {quantile(n_seeds):.2f} standard errors" if n_seeds > 1 else ""
    table = Table(title=f"{name}: without each part{beyond}", title_justify="left")
    for heading in ("variant", "figure", "mean", "difference"):
        table.add_column(heading, justify="left" if heading in {"variant", "figure"} else "right")
    table.add_column("what it lacks")
    for variant, by_figure in cells.items():
        for figure, cell in by_figure.items():
            table.add_row(variant, figure, f"{cell.mean:.4f}", *_difference(cell.difference))
    Console().print(table)


def _difference(found: Difference | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    spread = "" if found.deviation is None else f" ± {found.deviation:.4f}"
    return f"{found.mean:+.4f}{spread}", found.verdict


def _chosen(option: str, text: str, known: Collection[str]) -> list[str]:
    """Return the names that an option gives, in the order of those there are."""
    names = {part.strip() for part in text.split(",") if part.strip()}
    if unknown := sorted(names - set(known)):
        message = f"{option} knows {', '.join(known)}, got {', '.join(unknown)}"
        raise typer.BadParameter(message)
    return [name for name in known if not names or name in names]


def _changed(base: EngineSettings, names: Sequence[str]) -> dict[str, EngineSettings]:
    """Return the settings of the variants, of the default first."""
    found = dict[str, EngineSettings]()
    for name in dict.fromkeys((DEFAULT, *names)):
        try:
            found[name] = VARIANTS[name].settings(base)
        except ValueError as error:
            message = f"the variant {name} of these settings: {error}"
            raise typer.BadParameter(message) from error
    return found


def _read(names: Sequence[str], source: Source) -> dict[str, Measured]:
    try:
        return {name: SETS[name](source) for name in names}
    except (InvalidDataset, OSError) as error:
        raise typer.BadParameter(str(error)) from error


def main(
    *,
    data: Annotated[Path, typer.Option(help="Has ml-100k, ml-1m, mind-5k in it.")] = Path(),
    sets: Annotated[str, typer.Option(help="Comma between them; all when empty.")] = "",
    variants: Annotated[str, typer.Option(help="Likewise.")] = "",
    seeds: Annotated[str, typer.Option(help="Of engines and worlds.")] = "1,2,3",
    events: Annotated[int, typer.Option(min=2, help="Of ml-1m.")] = 40_000,
    lists: Annotated[int, typer.Option(min=2, help="Of simulated people.")] = 8000,
    runs: Annotated[
        Path | None, typer.Option(help="Runs that are done, a line each: go on from there.")
    ] = None,
    config: ConfigOption = None,
    json_file: JsonOption = None,
) -> None:
    """Every part of the engine switched off by itself."""
    check_writable(json_file)
    check_writable(runs)
    numbers = parse_seeds(seeds)
    base = read_settings(config).engine
    names = _chosen("--sets", sets, SETS)
    changed = _changed(base, _chosen("--variants", variants, VARIANTS))
    kept = Runs(runs)
    tables = dict[str, Cells]()
    read = _read(names, Source(data, events, lists))
    for name, measured in read.items():
        tables[name] = cells_of(measure(name, measured, changed, numbers, kept))
        _show_set(name, tables[name], len(numbers))
    places = {variant: worth(tables, variant) for variant in changed if variant != DEFAULT}
    show(
        "Where what a variant lacks adds, and where it hurts",
        {
            variant: "; ".join(f"{verdict}: {', '.join(of)}" for verdict, of in where.items() if of)
            or "nothing beyond noise"
            for variant, where in places.items()
        },
    )
    parameters = {
        "seeds": numbers,
        "sizes": {name: measured.size for name, measured in read.items()},
        "engine": base.model_dump(exclude_defaults=True),
    }
    write(json_file, "ablation", parameters, {"sets": tables, "worth": places})


if __name__ == "__main__":
    run(main)
