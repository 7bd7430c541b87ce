"""One measure over several worlds: the same figures of each, and their medians."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console

from actors.cli.problems import read_settings
from benchmarks.report import JsonOption, check_writable, run, show, write
from recsys.settings import EngineSettings

__all__ = [
    "ConfigOption",
    "Figures",
    "Measure",
    "command",
    "measured",
    "parse_seeds",
    "summary",
]

Figures = dict[str, float]
"""What one world gave, by name."""
Measure = Callable[[int, EngineSettings], Figures]
"""From the world's seed and the engine's settings to figures; the same names for every seed."""

SeedsOption = Annotated[str, typer.Option(help="Worlds to measure, comma between them.")]
ConfigOption = Annotated[
    Path | None, typer.Option(help="Settings in YAML; the default ones are what counts.")
]


def measured(name: str, title: str, parameters: Mapping[str, object], measure: Measure) -> None:
    """Run a measure as a command line; see ``command``."""
    run(command(name, title, parameters, measure))


def command(
    name: str, title: str, parameters: Mapping[str, object], measure: Measure
) -> Callable[..., None]:
    """Return a measure as a command.

    Parameters
    ----------
    name
        Of the document.
    parameters
        What the document says of how it was measured, beside the seeds and the engine's settings.
    """

    def main(
        *, seeds: SeedsOption = "1,2,3", config: ConfigOption = None, json_file: JsonOption = None
    ) -> None:
        check_writable(json_file)
        numbers = parse_seeds(seeds)
        settings = read_settings(config).engine
        found = list[Figures]()
        for seed in numbers:
            Console(stderr=True).print(f"{name}: world {seed}", highlight=False)
            found.append(measure(seed, settings))
        rows = {
            key: f"{median(values):.4g}   ({', '.join(f'{value:.4g}' for value in values)})"
            for key, values in _columns(found).items()
        }
        show(f"{title}: median (worlds {', '.join(map(str, numbers))})", rows)
        # Empty for the engine as it is by default.
        changed = settings.model_dump(exclude_defaults=True)
        write(json_file, name, {"seeds": numbers, **parameters, "engine": changed}, summary(found))

    main.__doc__ = f"{title}."
    return main


def summary(found: Sequence[Figures]) -> dict[str, float | list[float]]:
    """Return the median of each figure under its name, and all values under ``NAME_by_seed``."""
    document = dict[str, float | list[float]]()
    for key, values in _columns(found).items():
        document[key] = round(median(values), 4)
        document[f"{key}_by_seed"] = [round(value, 4) for value in values]
    return document


def _columns(found: Sequence[Figures]) -> dict[str, list[float]]:
    return {key: [figures[key] for figures in found] for key in found[0]}


def parse_seeds(text: str, option: str = "--seeds") -> list[int]:
    """Return the numbers of a list with commas.

    Raises
    ------
    typer.BadParameter
        When they are no numbers, or one is there twice.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        message = f"{option} are different numbers from 0 with commas between them, got {text!r}"
        raise typer.BadParameter(message)
    return [int(part) for part in parts]
