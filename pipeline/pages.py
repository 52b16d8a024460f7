"""Pages of HTML that need no other file: one look for all of them, and pictures that are a part of the page."""

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

TEMPLATES = Path(__file__).parent / "templates"

LARGEST_AS_IT_IS = 4096
"""Bytes of a picture that is not worth coding again."""


def render(template: str, **values: Any) -> str:
    """Fills a template of `templates/`, which takes its look from `base.html`; texts are escaped.

    Args:
        template: File name.
        **values: All that it names: one that lacks is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda value: f"{value:,.0f}"
    return environment.get_template(template).render(**values)


def embedded(encoded: bytes) -> str:
    """A picture as the address that holds its own bytes: coded anew as WebP, without loss, where that is smaller."""
    kind = "png"
    if len(encoded) > LARGEST_AS_IT_IS:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(encoded)).convert("RGB").save(buffer, "WEBP", lossless=True)
        if len(buffer.getvalue()) < len(encoded):
            encoded, kind = buffer.getvalue(), "webp"
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def thumbnail(encoded: bytes, side: int) -> str:
    """An image, shrunk to at most `side` pixels a side, as the address that holds its own bytes."""
    image = Image.open(io.BytesIO(encoded))
    if max(image.size) > side:
        image.thumbnail((side, side))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "PNG")
        encoded = buffer.getvalue()
    return f"data:;base64,{base64.b64encode(encoded).decode()}"
