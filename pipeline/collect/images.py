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

MAX_DISTANCE, MAX_GRADIENT_DISTANCE = 2, 3
"""Two images are near-duplicates when at most so many of 64 bits differ in their pHash, and in their dHash. pHash alone
takes 10 pairs of the 1,797 digits (8×8 pixels, much alike) for the same image, both together none; both together find
84 % of crops of two photographs saved as JPEG of quality 85, 87 % of those halved in size, all of those made grey."""


@dataclass(frozen=True)
class Look:
    """What one image is."""

    height: int
    width: int
    colour: bool
    hashes: tuple[int, int]
    """64 bits each: pHash (signs of low frequencies of the cosine transform) and dHash (signs of horizontal gradients);
    zeros when not asked for."""


def look(encoded: bytes, *, hashed: bool) -> Look:
    """Decodes an image completely.

    Args:
        encoded: Bytes of a png, jpeg or bmp file.
        hashed: Whether to compute the perceptual hashes.

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
    hashes = (_as_int(imagehash.phash(image)), _as_int(imagehash.dhash(image))) if hashed else (0, 0)
    return Look(image.height, image.width, image.mode not in ("1", "L", "LA", "I", "I;16"), hashes)


def _as_int(hashed: imagehash.ImageHash) -> int:
    return int.from_bytes(np.packbits(hashed.hash).tobytes(), "big")


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


def near_pairs(hashes: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Finds all pairs of near-duplicates in different splits.

    Hashes within distance d agree in at least one of d + 1 bands of bits, so that only those that share a band are
    compared (multi-index hashing: Norouzi, Punjani and Fleet 2012).

    Args:
        hashes: uint64 (n, 2), pHash and dHash.
        splits: int8 (n,).

    Returns:
        int64 (pairs, 2) of indices, the smaller first, sorted, without repeats.
    """
    found = [np.empty((0, 2), np.int64)]
    for low, high in pairwise(np.linspace(0, 64, MAX_DISTANCE + 2).astype(int)):
        band = (hashes[:, 0] >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        found += [_near_within(bucket, hashes, splits) for bucket in _buckets(band)]
    return np.unique(np.concatenate(found), axis=0)


def _buckets(band: np.ndarray) -> Iterator[np.ndarray]:
    order = np.argsort(band, kind="stable")
    edges = np.flatnonzero(np.diff(band[order])) + 1
    return (bucket for bucket in np.split(order, edges) if len(bucket) > 1)


def _near_within(bucket: np.ndarray, hashes: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Compares one row against the rest at a time: a bucket of n costs n passes, never n × n memory."""
    pairs = [np.empty((0, 2), np.int64)]
    for place, first in enumerate(bucket[:-1]):
        rest = bucket[place + 1 :]
        distances = np.bitwise_count(hashes[rest] ^ hashes[first])
        near = (distances <= (MAX_DISTANCE, MAX_GRADIENT_DISTANCE)).all(axis=1) & (splits[rest] != splits[first])
        others = rest[near]
        pairs.append(np.stack([np.minimum(first, others), np.maximum(first, others)], axis=1))
    return np.concatenate(pairs)
