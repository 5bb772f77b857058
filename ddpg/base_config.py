"""What all settings have in common: immutable, bounded, and told in full when they are wrong."""

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
FractionBelowOne = Annotated[float, Field(ge=0, lt=1)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
# Strict mode takes no list for a tuple; the container is lenient, its items are not.
LayerSizes = Annotated[tuple[Annotated[int, Field(ge=1), Strict()], ...], Field(min_length=1, strict=False)]
StrictFinite = Annotated[float, Field(allow_inf_nan=False), Strict()]
Layers = Annotated[tuple[Annotated[int, Field(ge=1), Strict()], ...], Field(strict=False)]
Limits = Annotated[tuple[StrictFinite, StrictFinite], Field(strict=False)]


class Config(BaseModel):
    """Immutable, hashable settings; unknown names, wrong types and values out of range are rejected.

    Raises:
        pydantic.ValidationError: A `ValueError` that lists every invalid value, what was expected and received.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    @classmethod
    def from_keywords(cls, **values: Any) -> Self:
        """As the class itself; errors suggest known names in place of unknown ones."""
        try:
            return cls(**values)
        except ValidationError as error:
            for details in error.errors():
                if details["type"] == "extra_forbidden":
                    error.add_note(_suggestion(str(details["loc"][-1]), cls.model_fields))
            raise

    @model_validator(mode="before")
    @classmethod
    def _accept_numpy(cls, values: Any) -> Any:
        """Numbers and arrays of NumPy, as a search over hyperparameters draws them."""
        if not isinstance(values, dict):
            return values
        return {name: _without_numpy(value) for name, value in values.items()}


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"{name}: unknown; did you mean {close[0]}?" if close else f"{name}: unknown; known are {', '.join(known)}"


def _without_numpy(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_without_numpy(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value
