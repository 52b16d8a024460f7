"""Layers of ours are known to a process that does no more than serve."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.models.test_contract import CASES, batch, network

SERVE = """
import sys
from pathlib import Path
import numpy as np
from pipeline.serving.compose import load_model

for case in sys.argv[1:]:
    folder = Path(case)
    inputs = dict(np.load(folder / "inputs.npz"))
    np.save(folder / "outputs.npy", load_model(folder / "network.keras")(inputs))
"""


@pytest.mark.slow
def test_a_fresh_process_loads_them_and_says_the_same(tmp_path: Path) -> None:
    said = {}
    for case in ("convnext", "text-transformer"):
        section, inputs = CASES[case]
        (tmp_path / case).mkdir()
        model = network(section, inputs)
        model.save(tmp_path / case / "network.keras")
        np.savez(tmp_path / case / "inputs.npz", **batch(inputs))
        said[case] = model(batch(inputs)).numpy()
    subprocess.run([sys.executable, "-c", SERVE, *said], cwd=tmp_path, check=True, capture_output=True)
    for case, outputs in said.items():
        # Another process may add up in another order, which moves the last digit of float32.
        np.testing.assert_allclose(np.load(tmp_path / case / "outputs.npy"), outputs, rtol=1e-6)
