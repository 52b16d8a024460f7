"""Looking at encoded images: readable or not, size, and near-duplicates by perceptual hash."""

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import imagehash
import numpy as np
from PIL import Image, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "BMP")
"""What `tf.io.decode_image` reads too, as one picture."""

MAX_DISTANCE = 2
"""Perceptual hashes (64 bits) that differ in so many bits or fewer are near-duplicates. Among the 1,797 digits, which
are 8×8 pixels and much alike, 10 of 1.6 million pairs are so near."""


@dataclass(frozen=True)
class Look:
    """What one image is."""

    height: int
    width: int
    colour: bool
    hash: int
    """64-bit perceptual hash, 0 when not asked for."""


def look(encoded: bytes, *, hashed: bool) -> Look:
    """Decodes an image completely.

    Args:
        encoded: Bytes of a png, jpeg or bmp file.
        hashed: Whether to compute the perceptual hash (pHash: signs of low frequencies of the cosine transform).

    Raises:
        ValueError: If the bytes are no whole image of these formats; says what they are.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(io.BytesIO(encoded))
            image.load()
    except UnidentifiedImageError:
        raise ValueError("expected a png or jpeg image. Received: " + _describe(encoded)) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image is damaged ({error})") from error
    if image.format not in FORMATS:
        raise ValueError(f"expected a png or jpeg image. Received: {image.format} data; convert it")
    bits = imagehash.phash(image).hash.ravel() if hashed else np.zeros(64, bool)
    value = int.from_bytes(np.packbits(bits).tobytes(), "big")
    return Look(image.height, image.width, image.mode not in ("1", "L", "LA", "I", "I;16"), value)


def _describe(encoded: bytes) -> str:
    return f"{len(encoded):,} bytes that begin with {encoded[:8]!r}" if encoded else "an empty file"


def encode_png(pixels: np.ndarray) -> bytes:
    """Encodes an image without loss.

    Stored uncompressed: fast to write and read, and the same bytes whatever the version of zlib, so that the content
    hash of an example is the same on every machine.

    Args:
        pixels: uint8 (height, width) or (height, width, 1 | 3).
    """
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=0)
    return buffer.getvalue()


def near_pairs(hashes: np.ndarray, max_distance: int = MAX_DISTANCE) -> np.ndarray:
    """Finds all pairs of hashes that differ in few bits.

    Hashes within distance d agree in at least one of d + 1 bands of bits, so that only those that share a band are
    compared (multi-index hashing: Norouzi, Punjani and Fleet 2012).

    Args:
        hashes: uint64 (n,), distinct.
        max_distance: Largest number of differing bits.

    Returns:
        int64 (pairs, 2) of indices, the smaller first, sorted, without repeats.
    """
    found = [np.empty((0, 2), np.int64)]
    for low, high in pairwise(np.linspace(0, 64, max_distance + 2).astype(int)):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        found += [_near_within(hashes, bucket, max_distance) for bucket in _buckets(band)]
    return np.unique(np.concatenate(found), axis=0)


def _buckets(band: np.ndarray) -> Iterator[np.ndarray]:
    order = np.argsort(band, kind="stable")
    edges = np.flatnonzero(np.diff(band[order])) + 1
    return (bucket for bucket in np.split(order, edges) if len(bucket) > 1)


def _near_within(hashes: np.ndarray, bucket: np.ndarray, max_distance: int) -> np.ndarray:
    """Compares one row against the rest at a time: a bucket of n costs n passes, never n × n memory."""
    pairs = []
    for place, first in enumerate(bucket[:-1]):
        rest = bucket[place + 1 :]
        near = rest[np.bitwise_count(hashes[rest] ^ hashes[first]) <= max_distance]
        if len(near):
            pairs.append(np.stack([np.minimum(first, near), np.maximum(first, near)], axis=1))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)
