import pyarrow as pa

from pipeline.collect.identity import content_ids


def ids(**columns: list[object]) -> list[str]:
    return content_ids(pa.RecordBatch.from_pydict(columns))


def test_identity_is_the_content_alone() -> None:
    assert ids(a=[1, 2], b=["x", "y"]) == ids(b=["x", "y"], a=[1.0, 2.0])
    assert ids(a=[1, 2], b=["x", "y"])[::-1] == ids(a=[2, 1], b=["y", "x"])
    assert ids(a=[b"image"]) != ids(a=[b"imagf"])


def test_different_contents_have_different_identities() -> None:
    contents = [("a", "bc"), ("ab", "c"), ("", "abc"), (None, "abc"), ("abc", None), ("abc", "")]
    first, second = zip(*contents, strict=True)
    assert len(set(ids(x=list(first), y=list(second)))) == len(contents)
