import numpy as np
import pytest

from pipeline.preprocess import statistics as module
from pipeline.preprocess.statistics import statistics


@pytest.mark.parametrize("shape", [(1000, 3), (50, 4, 5, 3)])
def test_chunks_give_the_statistics_of_the_whole(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_VALUES", 100)
    array = np.random.default_rng(0).normal(5, 2, shape)
    rows = array.reshape(-1, 3)
    found = statistics(array)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, rows.var(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(found.minimum, rows.min(axis=0))
    np.testing.assert_array_equal(found.maximum, rows.max(axis=0))


def test_variance_is_accurate_far_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_VALUES", 10)
    array = 1e8 + np.tile([[0.0], [1.0]], (50, 1))
    assert statistics(array).variance == pytest.approx([0.25], rel=1e-9)
