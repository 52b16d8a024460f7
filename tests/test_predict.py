"""Answers of registered models: from files, and from a real MLflow server fed with raw rows and an image."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.errors import UserError
from pipeline.manifest import ID, LABEL
from pipeline.predict import _of_kind, predict, read_examples
from pipeline.registry import find_model
from pipeline.serving.description import Column
from pipeline.serving.signature import Signature
from tests.small_runs import Registered, Stages

STARTUP_SECS = 200
CLASSES = {"digits": [str(digit) for digit in range(10)], "cells": ["malignant", "benign"]}


def raw_test_examples(stages: Stages, count: int) -> pd.DataFrame:
    with pa.memory_map(str(stages.examples / "sealed" / "test.arrow")) as file:
        table = pa.ipc.open_file(file).read_all().drop_columns([ID, LABEL])
        frame: pd.DataFrame = table.slice(0, count).to_pandas()
    return frame


def evaluated(stages: Stages, name: str, count: int) -> tuple[list[str], np.ndarray]:
    """What evaluate said of the first test examples: predicted names and probabilities."""
    frame = pd.read_parquet(stages.evaluated / "artifacts" / "predictions.parquet").head(count)
    return [CLASSES[name][k] for k in frame["prediction"]], frame.filter(like="probability_").to_numpy()


def assert_same(answers: pd.DataFrame, stages: Stages, name: str) -> None:
    predictions, probabilities = evaluated(stages, name, len(answers))
    assert answers["prediction"].tolist() == predictions
    # Another batch size than evaluate's: the last bits may differ.
    assert answers[[f"probability_{of}" for of in CLASSES[name]]].to_numpy() == pytest.approx(probabilities, abs=1e-6)


class Server:
    """`mlflow models serve` on loopback."""

    def __init__(self, model: Path, log: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--host", "127.0.0.1"]
        # Nothing of this project is lent to the server but what the model brought along; mlflow looks for uvicorn on
        # the path, where an activated environment has it.
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        environment = {**os.environ, "PATH": path, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [*command, "--model-uri", str(model), "--port", str(self.port)],
                cwd=log.parent,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        end = time.monotonic() + STARTUP_SECS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5).close()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
            else:
                return
        raise AssertionError(f"The server did not start:\n{self.log.read_text()}")

    def post(self, body: dict[str, Any]) -> pd.DataFrame:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/invocations",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return pd.DataFrame(json.load(response)["predictions"])

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def servers(registered: Registered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    folder = tmp_path_factory.mktemp("servers")
    started: dict[str, Server] = {}
    try:
        for name in registered.stages:
            started[name] = Server(Path(find_model(registered.store, name)), folder / f"{name}.log")
        for server in started.values():
            server.wait()
        yield started
    finally:
        for server in started.values():
            server.stop()


@pytest.mark.slow
def test_a_served_model_takes_an_image(servers: dict[str, Server], registered: Registered) -> None:
    images = raw_test_examples(registered.stages["digits"], 5)["image"]
    rows = [[base64.b64encode(image).decode()] for image in images]
    answers = servers["digits"].post({"dataframe_split": {"columns": ["image"], "data": rows}})
    assert_same(answers, registered.stages["digits"], "digits")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split"])
def test_a_served_model_takes_raw_rows(servers: dict[str, Server], registered: Registered, form: str) -> None:
    rows = raw_test_examples(registered.stages["cells"], 5)
    body = json.loads(rows.to_json(orient=form.removeprefix("dataframe_")))
    assert_same(servers["cells"].post({form: body}), registered.stages["cells"], "cells")


@pytest.mark.slow
def test_a_missing_boolean_is_not_taken_for_false(servers: dict[str, Server], registered: Registered) -> None:
    rows = json.loads(raw_test_examples(registered.stages["cells"], 1).to_json(orient="records"))
    answers = [servers["cells"].post({"dataframe_records": [{**rows[0], "worry": value}]}) for value in (None, False)]
    assert answers[0]["probability_benign"][0] != answers[1]["probability_benign"][0]


@pytest.mark.slow
def test_a_row_without_a_column_is_refused_with_its_name(servers: dict[str, Server], registered: Registered) -> None:
    rows = raw_test_examples(registered.stages["cells"], 1).drop(columns="size")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        servers["cells"].post({"dataframe_records": json.loads(rows.to_json(orient="records"))})
    assert refusal.value.code == 400
    assert "size" in refusal.value.read().decode()


@pytest.mark.slow
def test_a_registered_name_answers_a_folder_of_images(registered: Registered, tmp_path: Path) -> None:
    stages = registered.stages["digits"]
    for i, image in enumerate(raw_test_examples(stages, 3)["image"]):
        (tmp_path / f"{i}.png").write_bytes(image)
    answers = predict("digits", tmp_path, tracking_uri=registered.store.uri)
    assert answers.index.tolist() == [str(tmp_path / f"{i}.png") for i in range(3)]
    assert_same(answers, stages, "digits")


@pytest.mark.slow
def test_a_file_that_is_no_image_is_a_user_error(registered: Registered, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"broken.png: .*row 0, column `image`: expected the bytes of a png"):
        predict("digits", broken, tracking_uri=registered.store.uri)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_raw_rows_are_read_as_they_were_written(cells: Stages, tmp_path: Path, suffix: str) -> None:
    rows, path = raw_test_examples(cells, 4), tmp_path / f"rows.{suffix}"
    if suffix == "csv":
        rows.to_csv(path, index=False)
    elif suffix == "parquet":
        rows.to_parquet(path)
    else:
        rows.to_json(path, orient="records", lines=True)
    read = read_examples(path)
    assert list(read) == list(rows)
    assert read["size"].tolist() == rows["size"].tolist()
    assert read["mean radius"].astype(float).tolist() == pytest.approx(rows["mean radius"].tolist())


def test_a_csv_file_is_read_as_collect_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("zip,weight,worn\n00501, 3.50 ,yes\n02134,NA,no\n")
    signature = Signature(
        kind="table",
        task="binary",
        label=("y",),
        classes=("a", "b"),
        columns=(Column("zip", "category"), Column("weight", "number"), Column("worn", "boolean")),
    )
    rows = _of_kind(read_examples(path), signature, path)
    assert rows["zip"].tolist() == ["00501", "02134"]
    assert rows["weight"][0] == 3.5
    assert np.isnan(rows["weight"][1])
    assert rows["worn"].tolist() == ["yes", "no"]
    path.write_text("zip,weight,worn\n00501,heavy,yes\n")
    with pytest.raises(UserError, match=r"rows.csv row 1: column weight: expected a finite number. Received: 'heavy'"):
        _of_kind(read_examples(path), signature, path)


def test_empty_lines_of_a_json_file_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    assert read_examples(tmp_path / "rows.jsonl")["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "the file is empty"),
        ("ragged.csv", b"a,b\n1,2,3\n", r"ragged.csv:2: expected 2 values"),
        ("latin.csv", b"a\n\xfc\n", "expected UTF-8"),
        ("latin.txt", b"\xfc", r"expected a whole .txt file"),
        ("broken.parquet", b"nothing", r"expected a whole .parquet file"),
        ("broken.jsonl", b"{", r"expected a whole .jsonl file"),
        ("lists.jsonl", b"[1]", "expected an object a line"),
    ],
)
def test_a_damaged_file_is_a_user_error(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_examples(tmp_path / name)


def test_rows_of_the_wrong_kind_are_refused_before_the_model_is_asked(registered: Registered, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("mean radius,size\n1,small\n")
    with pytest.raises(
        UserError, match=r"takes table data .*Missing: columns mean texture.*Received: columns mean radius"
    ):
        predict("cells", path, tracking_uri=registered.store.uri)


def test_a_text_file_has_a_line_for_each_example(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("one\ntwo, three\n")
    assert read_examples(path)["text"].tolist() == ["one", "two, three"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("nothing", "There is none"), (".", "It has none"), ("model.h5", r"expected one of .csv.*Received: .h5")],
)
def test_what_cannot_be_read_is_a_user_error(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "model.h5").touch()
    with pytest.raises(UserError, match=message):
        read_examples(tmp_path / name)


def test_a_model_is_found_by_name_alias_version_and_run(registered: Registered) -> None:
    client = registered.store.client
    version = client.get_model_version_by_alias("cells", "champion")
    names = ["cells", "models:/cells@champion", f"models:/cells/{version.version}", version.run_id]
    assert {find_model(registered.store, name) for name in names} == {version.source}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cell", r"Did you mean `cells`\? Registered: .*digits"),
        ("models:/cells@rival", "rival"),
        ("models:/cells/99", "99"),
    ],
)
def test_a_model_that_is_not_there_is_a_user_error(registered: Registered, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_model(registered.store, name)
