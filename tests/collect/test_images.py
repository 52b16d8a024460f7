import io
import itertools

import numpy as np
from PIL import Image

from pipeline.collect.images import MAX_DISTANCE, MAX_GRADIENT_DISTANCE, encode_png, look, near_pairs


def test_near_pairs_are_those_that_comparing_all_finds() -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**63, (300, 2)).astype(np.uint64)
    for row in range(100, 300):
        flips = random.choice(64, random.integers(1, 5), replace=False)
        hashes[row] = hashes[row % 100]
        hashes[row, 0] ^= np.uint64(sum(1 << int(bit) for bit in flips))
        hashes[row, 1] ^= np.uint64((1 << int(random.integers(0, 5))) - 1)
    splits = random.integers(0, 3, 300).astype(np.int8)
    expected = [
        [a, b]
        for a, b in itertools.combinations(range(300), 2)
        if splits[a] != splits[b]
        and int(hashes[a, 0] ^ hashes[b, 0]).bit_count() <= MAX_DISTANCE
        and int(hashes[a, 1] ^ hashes[b, 1]).bit_count() <= MAX_GRADIENT_DISTANCE
    ]
    assert len(expected) > 20
    assert near_pairs(hashes, splits).tolist() == expected


def test_look_tells_size_and_colour() -> None:
    colour = look(encode_png(np.zeros((3, 5, 3), np.uint8)), hashed=False)
    grey = look(encode_png(np.zeros((3, 5, 1), np.uint8)), hashed=True)
    assert (colour.height, colour.width, colour.colour) == (3, 5, True)
    assert (grey.height, grey.width, grey.colour) == (3, 5, False)


def test_png_is_without_loss_and_always_the_same_bytes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9), np.uint8)
    assert encode_png(pixels) == encode_png(pixels[..., None])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)
