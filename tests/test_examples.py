from pathlib import Path

import pyarrow as pa

from pipeline.examples import Examples, ExampleWriter


def written(path: Path) -> Examples:
    with ExampleWriter(path) as writer:
        for start, stop in ((0, 3), (3, 4), (4, 9)):
            rows = range(start, stop)
            writer.write(pa.RecordBatch.from_pydict({"n": list(rows), "text": [f"text {i}" for i in rows]}))
    return Examples(path)


def test_rows_are_taken_in_any_order_and_repeatedly(tmp_path: Path) -> None:
    examples = written(tmp_path / "examples.arrow")
    assert len(examples) == 9
    taken = examples.take([8, 0, 3, 3, 4, 2])
    assert taken.column("n").to_pylist() == [8, 0, 3, 3, 4, 2]
    assert taken.column("text").to_pylist() == [f"text {i}" for i in (8, 0, 3, 3, 4, 2)]
    assert examples.take([]).num_rows == 0


def test_columns_and_batches_keep_their_order(tmp_path: Path) -> None:
    examples = written(tmp_path / "examples.arrow")
    assert examples.column("n").to_pylist() == list(range(9))
    assert [batch.num_rows for batch in examples.batches()] == [3, 1, 5]
