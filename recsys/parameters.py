"""What a River constructor is called with: numbers, texts, truth values, and objects of River.

::

    l2: 0.1
    optimizer: {class: river.optim.SGD, parameters: {lr: 0.05}}
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

__all__ = ["Parameters", "PartSettings"]


def _kind(value: object) -> str | None:
    """Return which of the types of a parameter a value has, so that only that one is checked."""
    if isinstance(value, dict | PartSettings):
        return "part"
    # A truth value is an integer, too.
    kinds = {"bool": bool, "int": int, "float": float, "str": str}
    return next((name for name, kind in kinds.items() if isinstance(value, kind)), None)


class PartSettings(BaseModel):
    """A parameter that is an object: a class of River, by dotted path, and its own parameters."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True
    )

    path: str = Field(alias="class")
    parameters: "Parameters" = {}


Parameters = dict[
    str,
    Annotated[
        Annotated[bool, Tag("bool")]
        | Annotated[int, Tag("int")]
        | Annotated[float, Field(allow_inf_nan=False), Tag("float")]
        | Annotated[str, Tag("str")]
        | Annotated[PartSettings, Tag("part")],
        Discriminator(
            _kind,
            custom_error_type="parameter",
            custom_error_message=(
                "expected a number, a text, true, false or {class: PATH, parameters: {...}}"
            ),
        ),
    ],
]
"""What a constructor is called with; a value that is an object names its class."""
