"""The rules of the house that no linter knows."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from actors.settings import ServerSettings, load_settings

ROOT = Path(__file__).parents[2]
PACKAGES = ("actors", "recsys", "simulators")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
EVERYTHING = sorted(
    {*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")}
)
DEFAULTS = ROOT / "config" / "default.yaml"
LIMIT = 400


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls_in(path: Path) -> Iterator[str]:
    """Yield what the file calls or decorates with, as it is written."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (ast.unparse(decorator) for decorator in node.decorator_list)


def test_no_file_is_longer_than_the_limit() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in EVERYTHING}
    assert {name: length for name, length in lengths.items() if length > LIMIT} == {}


# Ray Serve 2.60 declares fields in a way that Pydantic 2.14 deprecates.
@pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`:DeprecationWarning")
@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_says_what_it_is_and_exports(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "no docstring"
    if path.name in {"__init__.py", "__main__.py"}:
        return
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert isinstance(module.__all__, list)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_actors_and_deployments_are_made_in_one_file() -> None:
    makers = {"ray.remote", "serve.deployment", "serve.ingress", "serve.run"}
    makers_by_file = {
        name_of(path): found
        for path in sorted((ROOT / "actors").rglob("*.py"))
        if (found := makers.intersection(calls_in(path)))
    }
    assert makers_by_file == {
        "actors/graph.py": {"ray.remote", "serve.deployment", "serve.ingress"},
        "actors/runtime.py": {"serve.run"},
    }


def test_recsys_reads_the_clock_in_one_file() -> None:
    clock = re.compile(r"\b(time\.time|time_ns|now|utcnow|today)$")
    found = {
        name_of(path)
        for path in sorted((ROOT / "recsys").rglob("*.py"))
        if any(clock.search(call) for call in calls_in(path))
    }
    assert found == {"recsys/clock.py"}


def test_unit_tests_import_nothing_of_ray_but_errors_and_metrics() -> None:
    imports = re.compile(
        r"^\s*(import ray\b|from ray\b(?!\.exceptions|\.util\.metrics))", re.MULTILINE
    )
    found = [
        name_of(path)
        for path in sorted((ROOT / "tests" / "unit").rglob("test_*.py"))
        if imports.search(path.read_text())
    ]
    assert found == []


def test_the_default_file_is_the_code() -> None:
    assert load_settings(DEFAULTS) == ServerSettings()


def keys_of(value: object, prefix: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {prefix}
    return {key for name, below in value.items() for key in keys_of(below, f"{prefix}.{name}")} or {
        prefix
    }


def test_the_default_file_lists_every_knob() -> None:
    listed = keys_of(yaml.safe_load(DEFAULTS.read_text()))
    assert listed == keys_of(ServerSettings().model_dump(mode="json"))


def test_every_knob_of_the_default_file_has_a_comment() -> None:
    knobs = [line for line in DEFAULTS.read_text().splitlines() if re.match(r"\s*\w+: \S", line)]
    assert [line for line in knobs if not re.search(r"  # \w", line)] == []


@pytest.mark.parametrize("name", ["local.yaml", "demo.yaml", "kafka.yaml"])
def test_the_shipped_files_are_good(name: str) -> None:
    assert load_settings(ROOT / "config" / name) != ServerSettings()
