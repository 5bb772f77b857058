"""A page from a template: whatever it shows is inside it, and escaped unless it is the template's own."""

import base64
import math
import mimetypes
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, **values: Any) -> str:
    """The page that a file of `templates/` makes of these values."""
    environment = Environment(
        loader=PackageLoader("pipeline.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = format_number
    return environment.get_template(template).render(**values)


def data_uri(file: Path) -> str:
    """A picture or video as an address that holds it; as the source of an `img`, an SVG runs no scripts."""
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def format_number(value: Any, digits: int = 2) -> str:
    """A number as people read it; a dash for none, and texts as they are."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.{digits}f}"
    return text.replace("-", "−")
