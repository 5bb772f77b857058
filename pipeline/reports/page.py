"""Pages from templates: they need no other file, and escape the values they show."""

import base64
import mimetypes
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.reports.formats import show_number, show_value


def render(template: str, **values: Any) -> str:
    """The page of a file of `templates/` with these values."""
    environment = Environment(
        loader=PackageLoader("pipeline.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "minus": _minus, "value": show_value}
    return environment.get_template(template).render(**values)


def data_uri(file: Path) -> str:
    """A picture or video as an address that holds it; as the source of an `img`, an SVG runs no scripts."""
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def _number(value: Any) -> str:
    """A number, without decimals if it is whole; other values as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        return str(value)
    is_whole = value is not None and float(value).is_integer()
    return _minus(show_number(value, digits=0 if is_whole else 2))


def _minus(text: str) -> str:
    """Numbers with a typographic minus."""
    return text.replace("-", "−")
