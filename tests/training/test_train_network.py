"""What train tells the network of the data, and the user of the network."""

from pathlib import Path

import numpy as np

from pipeline.journal import read_journal
from pipeline.serving.compose import load_model
from tests.small_runs import Stages, model, train_section, train_small

ONE_STEP = train_section(epochs=1, optimizer={"type": "sgd", "learning_rate": 1e-30})


def test_the_output_bias_starts_at_the_priors_of_the_training_split(digits: Stages, tmp_path: Path) -> None:
    network = model(type="mlp", units=[4], output_bias="priors", initializers={"output": "zeros"})
    trained = train_small(digits.prepared, tmp_path / "trained", network, ONE_STEP)
    labels = np.load(digits.prepared / "train" / "label.npy")
    shares = (np.bincount(labels, minlength=10) + 1) / (len(labels) + 10)
    images = np.zeros((1, 8, 8, 1), "uint8")
    np.testing.assert_allclose(load_model(trained / "network.keras")({"image": images})[0], shares, rtol=1e-4)


def test_warnings_are_said(digits: Stages, tmp_path: Path) -> None:
    network = model(type="mlp", units=[4], activation="selu", dropout=0.1)
    trained = train_small(digits.prepared, tmp_path / "trained", network, ONE_STEP)
    said = [record["text"] for record in read_journal(trained / "journal.jsonl") if record["kind"] == "say"]
    assert [line for line in said if line.startswith("warning: model.dropout_type: plain dropout")]
