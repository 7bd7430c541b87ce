"""``recsys doctor``: whether a server could run here, and how fast its disk is."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from actors.cli.problems import fail, read_settings
from actors.cli.serve import DataDirOption, PortOption
from actors.host.diagnosis import diagnose
from actors.overrides import override

__all__ = ["doctor"]


def doctor(
    config: Annotated[
        Path | None, typer.Option(help="Settings in YAML; without it, the defaults.")
    ] = None,
    port: PortOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Look at ports, versions, limits, disk and clock; exit with 1 if one would stop the server."""
    settings = override(read_settings(config), port=port, data_dir=data_dir)
    out = Console(soft_wrap=True, highlight=False, markup=False)
    table = Table("what", "", "found")
    findings = list(diagnose(settings))
    for finding in findings:
        table.add_row(finding.what, finding.level, finding.text)
    out.print(table)
    faults = sum(finding.level == "fault" for finding in findings)
    if faults:
        fail(f"{faults} of these would stop the server")
