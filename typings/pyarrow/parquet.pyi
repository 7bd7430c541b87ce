from pathlib import Path

from pyarrow import Schema, Table

class ParquetFile:
    schema_arrow: Schema
    def __init__(self, source: str | Path) -> None: ...
    def read(self, columns: list[str] | None = ...) -> Table: ...

def write_table(table: Table, where: str | Path, row_group_size: int | None = ...) -> None: ...
