from collections.abc import Callable
from typing import TypeVar

class config:
    CACHE_DIR: str

_F = TypeVar("_F", bound=Callable[..., object])

def njit(
    *,
    cache: bool = ...,
    nogil: bool = ...,
    fastmath: bool | set[str] = ...,
    error_model: str = ...,
    inline: str = ...,
) -> Callable[[_F], _F]: ...

def typeof(val: object) -> object: ...
