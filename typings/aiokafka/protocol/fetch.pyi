from collections.abc import Sequence

class FetchRequest: ...

class FetchResponse:
    topics: Sequence[tuple[str, Sequence[tuple[int, int, *tuple[object, ...]]]]]
