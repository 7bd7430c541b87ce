from collections.abc import Sequence
from typing import TypeAlias

class FetchRequest:
    def __init__(
        self,
        max_wait_time: int,
        min_bytes: int,
        max_bytes: int,
        isolation_level: int,
        topics: list[tuple[str, list[tuple[int, int, int]]]],
    ) -> None: ...
    @property
    def topics(self) -> list[tuple[str, list[tuple[int, int, int]]]]: ...

# Number, code, end, last stable offset, what depends on the version, records.
_Partition: TypeAlias = tuple[int, int, int, int, *tuple[object, ...], bytes | None]

class FetchResponse:
    topics: Sequence[tuple[str, Sequence[_Partition]]]
