import numpy as np
import pytest
import tensorflow as tf

from pipeline.augment.elastic import _noise, elastic
from pipeline.augment.hashing import Draws, draws
from pipeline.augment.smoothing import smooth
from pipeline.recipe.augment import Elastic

COUNT, SIZE = 32, 29
PAPER = Elastic(type="elastic")


def some(probability: float = 1.0) -> Draws:
    return draws(1, probability, tf.range(COUNT), tf.constant(0))


def field(transform: Elastic) -> np.ndarray:
    noise = _noise(transform, some(), SIZE, SIZE)
    return smooth(noise, tf.fill((COUNT,), transform.sigma), transform.sigma).numpy()  # type: ignore[no-any-return]


@pytest.mark.slow
def test_displacements_of_the_paper_are_about_one_and_a_half_pixels() -> None:
    # Even noise of standard deviation 1/√3, over a Gaussian of the plane: σ_noise · alpha / (2 σ √π) = 1.38.
    inner = field(PAPER)[:, 8:-8, 8:-8]
    assert inner.std() == pytest.approx(34 / (3**0.5 * 2 * 4 * np.pi**0.5), rel=0.15)
    assert abs(inner.mean()) < 0.3


def test_neighbours_move_alike_the_more_the_larger_sigma_is() -> None:
    def roughness(sigma: float) -> float:
        rows = field(Elastic(type="elastic", sigma=sigma))[..., 0]
        return float(np.diff(rows, axis=1).std() / rows.std())

    assert roughness(4.0) < roughness(2.0) / 1.5 < roughness(1.0) / 2.5


def test_rows_and_columns_move_on_their_own() -> None:
    moved = field(PAPER)
    assert abs(np.corrcoef(moved[..., 0].ravel(), moved[..., 1].ravel())[0, 1]) < 0.15


def test_pixels_are_fetched_from_where_the_field_says() -> None:
    # On ramps, a pixel's value is its place, so that the difference is the displacement.
    places = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij"), axis=-1).astype(np.float32)
    images = tf.constant(np.repeat(places[None], COUNT, axis=0))
    result = elastic(Elastic(type="elastic", fill="nearest"), some(), images).numpy()
    inner = np.s_[:, 8:-8, 8:-8]
    np.testing.assert_allclose((result - places)[inner], field(PAPER)[inner], atol=1e-3)


def test_alpha_scales_the_displacement() -> None:
    np.testing.assert_allclose(field(Elastic(type="elastic", alpha=68.0)), 2 * field(PAPER), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("fill", "outside"), [("constant", 0.0), ("nearest", 200.0)])
def test_what_comes_in_at_the_borders_is_the_fill(fill: str, outside: float) -> None:
    bright = tf.fill((COUNT, SIZE, SIZE, 1), 200.0)
    result = elastic(Elastic.model_validate({"type": "elastic", "alpha": 200.0, "fill": fill}), some(), bright)
    assert tf.reduce_min(result).numpy() == pytest.approx(outside, abs=1e-3)
