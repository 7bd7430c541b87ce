from collections.abc import Callable
from typing import Any, TypeVar

_View = TypeVar("_View", bound=Callable[[], object])

class Response: ...

class Request:
    def get_json(self) -> Any: ...

class Flask:
    def __init__(self, import_name: str) -> None: ...
    def post(self, rule: str) -> Callable[[_View], _View]: ...

request: Request

def jsonify(value: object) -> Response: ...
