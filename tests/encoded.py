"""Encoded images for tests."""

import io

import numpy as np
from PIL import Image


def encoded(pixels: np.ndarray, mode: str | None = None, file_format: str = "PNG") -> bytes:
    """Encodes uint8 pixels `(height, width[, 3])`, in another of Pillow's modes if one is given."""
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, file_format)
    return buffer.getvalue()
