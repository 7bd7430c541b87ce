"""What goes wrong, in the words of the person who reads it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import typer
import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError

from actors.settings import ServerSettings, load_settings
from recsys.datasets import Interaction

__all__ = ["check_clicks", "fail", "read_settings", "setting_problems"]

_WRONG_SETTINGS = 2
_KEY_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


def fail(message: str, status: int = 1) -> NoReturn:
    """Say one thing on standard error and end the program."""
    typer.echo(f"recsys: {message}", err=True)
    raise typer.Exit(status)


def read_settings(path: Path | None) -> ServerSettings:
    """Read the settings, or say what is wrong with them and end with status 2."""
    try:
        _check_variables()
        if path is not None and path.is_file():
            _check_keys(path)
        return load_settings(path)
    except FileNotFoundError:
        fail(f"{path}: there is no such file", _WRONG_SETTINGS)
    except OSError as error:
        fail(f"{path}: {error.strerror}", _WRONG_SETTINGS)
    except UnicodeDecodeError:
        fail(f"{path}: not a text file in UTF-8", _WRONG_SETTINGS)
    except yaml.YAMLError as error:
        fail(f"{path}: not readable as YAML: {_yaml_problem(error)}", _WRONG_SETTINGS)
    except SettingsError as error:
        fail(f"{path or 'environment'}: {error}", _WRONG_SETTINGS)
    except ValidationError as error:
        where = str(path) if path is not None else "settings"
        fail("\nrecsys: ".join(setting_problems(error, where)), _WRONG_SETTINGS)
    except (TypeError, ValueError):
        # What the settings library raises for a file that is a list or one word.
        sections = ", ".join(ServerSettings.model_fields)
        fail(f"{path}: expected sections named {sections}", _WRONG_SETTINGS)


def _check_variables() -> None:
    """Refuse variables that name no section: nobody else would notice them."""
    prefix = ServerSettings.model_config["env_prefix"]
    for name in sorted(os.environ):
        if name.upper().startswith(prefix):
            section = name[len(prefix) :].split("__")[0].lower()
            if section not in ServerSettings.model_fields:
                fail(f"environment variable {name}: there is no such setting", _WRONG_SETTINGS)


def _check_keys(path: Path) -> None:
    """Refuse keys that stand there twice, of which the first would be lost, or are no text."""
    seen = list[yaml.Node]()
    waiting = [yaml.compose(path.read_text("utf-8"), yaml.SafeLoader)]
    while waiting:
        node = waiting.pop()
        # An alias names a node that was looked at, or is being looked at.
        if not isinstance(node, yaml.MappingNode) or any(node is other for other in seen):
            continue
        seen.append(node)
        waiting += [value for _, value in node.value]
        lines = dict[str, int]()
        for key, _ in node.value:
            where = f"{path}: line {key.start_mark.line + 1}:"
            if key.tag not in _KEY_TAGS:
                fail(f"{where} a key must be a text, in quotes if need be", _WRONG_SETTINGS)
            if key.value in lines:
                first = f"the first is in line {lines[key.value]}"
                fail(f"{where} {key.value} is there for the second time; {first}", _WRONG_SETTINGS)
            lines[key.value] = key.start_mark.line + 1


def check_clicks(interactions: Sequence[Interaction], click_at: float) -> None:
    """Refuse ratings of which none is a click; where the rows name their types, those say it."""
    ratings = [one.rating for one in interactions if one.rating is not None and one.type is None]
    if len(ratings) < len(interactions) or any(rating >= click_at for rating in ratings):
        return
    fail(
        f"no rating reaches --click-at {click_at:g}; "
        f"ratings run from {min(ratings):g} to {max(ratings):g}",
        _WRONG_SETTINGS,
    )


def setting_problems(error: ValidationError, where: str) -> list[str]:
    """Return one line per wrong setting, each with its key."""
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        detail = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            detail = "there is no such setting"
        elif problem["type"] != "value_error":
            detail = f"{detail[0].lower()}{detail[1:]}"
            if not isinstance(problem["input"], dict):
                detail = f"{detail}, got {problem['input']!r}"
        lines.append(f"{where}: {key}: {detail}" if key else f"{where}: {detail}")
    return lines


def _yaml_problem(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
