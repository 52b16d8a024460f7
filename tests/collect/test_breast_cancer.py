from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer

from tests.collect.conftest import run


def test_all_rows_and_columns_with_the_names_of_the_diagnoses(tmp_path: Path) -> None:
    collected = run(tmp_path / "out", type="breast_cancer")
    manifest, bundled = collected.manifest, load_breast_cancer()
    assert (manifest.kind, manifest.task, manifest.label) == ("table", "binary", ("diagnosis",))
    assert manifest.classes == ("malignant", "benign")
    assert [column.type for column in manifest.columns] == ["number"] * 30
    rows = collected.development.to_pylist() + collected.test.to_pylist()
    found = {(row["mean_radius"], row["worst_fractal_dimension"]): row["__label__"] for row in rows}
    expected = dict(zip(map(tuple, bundled.data[:, [0, 29]]), bundled.target, strict=True))
    assert len(rows) == 569
    assert found == expected
    assert np.isclose(manifest.counts["test"] / 569, 0.2, atol=0.05)
