"""The stage `collect`: from a source of data to examples on disk, split, checked and described."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.collect.checks import (
    Finding,
    find_absent_classes,
    find_duplicates,
    find_near_duplicates,
    find_odd_columns,
    grade,
    refuse,
)
from pipeline.collect.facts import ImageFacts, column_facts, label_balance, text_facts
from pipeline.collect.fingerprint import existing, source_fingerprint
from pipeline.collect.identity import content_ids
from pipeline.collect.images import look
from pipeline.collect.labels import Labels, infer_labels
from pipeline.collect.leaks import find_leaky_columns
from pipeline.collect.report import DataReport, write_report
from pipeline.collect.source import KEY, ORIGIN, Rejects, Source
from pipeline.collect.sources import open_source
from pipeline.collect.splits import SPLITS, TEST, assign_splits
from pipeline.errors import UserError
from pipeline.examples import Examples, ExampleWriter
from pipeline.journal import Journal, StageResult
from pipeline.manifest import ID, LABEL, SEALED, SPLIT, TEST_FILE, Manifest
from pipeline.progress import progress
from pipeline.recipe.data import DataConfig, FolderConfig, IdxConfig

__all__ = ["collect", "source_fingerprint"]


def collect(section: DataConfig, *, out: Path, journal: Journal) -> StageResult:
    """Reads the recipe's data once and writes it as examples that later stages can read at any row.

    Writes `development/` (`examples.arrow` of train and validation, `manifest.json`), `sealed/test.arrow`, and the data
    report under
    `artifacts/`; `docs/architecture.md` has the columns. Examples keep the order of their source.

    Args:
        section: The recipe's `data`; paths are absolute.
        out: Folder to write to.
        journal: Told every choice and every warning.

    Returns:
        The hash of all examples with their labels and splits, and a line of counts.

    Raises:
        UserError: If the data is not there, cannot be read, cannot be learnt from or split as the recipe says, or a
            check that the recipe makes an error finds something.
    """
    if hasattr(section, "path"):
        existing(section.path, "folder" if isinstance(section, FolderConfig | IdxConfig) else "file")
    with tempfile.TemporaryDirectory(dir=out, prefix="work-") as work:
        rejects = Rejects(section.checks.corrupt)
        source = open_source(section, Path(work), rejects)
        staged = _stage(source, Path(work) / "staged.arrow", rejects, hashed=section.checks.near_duplicates != "ignore")
        labels = infer_labels(source, staged.examples.column(LABEL), section.task, staged.origin)
        splits = assign_splits(section.split, staged.ids, labels, staged.keys(), staged.origin)
        manifest = _manifest(section, source, staged, labels, splits)
        _write(staged, labels, splits, out)
        development = Examples(out / "development" / "examples.arrow")
        report = _report(section, source, staged, labels, splits, manifest, development, rejects)
    manifest.save(out / "development" / "manifest.json")
    _publish(report, source, development, out, journal)
    return StageResult(manifest.fingerprint, _summary(report))


@dataclass(frozen=True)
class _Staged:
    """All examples of the source on disk, in order, before they are split."""

    examples: Examples
    ids: np.ndarray
    images: ImageFacts

    def origin(self, row: int) -> str:
        """Name of one example, for messages."""
        return str(self.examples.take([row]).column(ORIGIN)[0].as_py())

    def keys(self) -> np.ndarray | None:
        """What examples are split by, if the source gives it."""
        if KEY not in self.examples.schema.names:
            return None
        return np.asarray(self.examples.column(KEY).to_numpy(zero_copy_only=False))


def _stage(source: Source, path: Path, rejects: Rejects, *, hashed: bool) -> _Staged:
    """Streams the source to disk, with an id for each example; images are decoded once, to see that they can be."""
    images, ids = ImageFacts(), list[str]()
    with progress("collecting", source.total) as advance, ExampleWriter(path) as writer:
        for batch in source.batches:
            whole = _readable(batch, images, rejects, hashed=hashed) if source.kind == "image" else batch
            names = content_ids(whole.drop_columns([n for n in (LABEL, ORIGIN, KEY) if n in whole.schema.names]))
            ids += names
            if whole.num_rows:
                writer.write(whole.append_column(ID, pa.array(names)))
            advance(batch.num_rows)
    rejects.settle()
    if not ids:
        raise UserError(f"data: {source.description}: expected examples. Received: none.")
    return _Staged(Examples(path), np.array(ids), images)


def _readable(batch: pa.RecordBatch, images: ImageFacts, rejects: Rejects, *, hashed: bool) -> pa.RecordBatch:
    kept = []
    for row, encoded in enumerate(batch.column("image")):
        try:
            images.add(look(encoded.as_py(), hashed=hashed))
            kept.append(row)
        except ValueError as error:
            rejects.add(batch.column(ORIGIN)[row].as_py(), str(error))
    return batch.take(pa.array(kept, pa.int64()))


def _write(staged: _Staged, labels: Labels, splits: np.ndarray, out: Path) -> None:
    for folder in ("development", SEALED):
        (out / folder).mkdir()
    with (
        ExampleWriter(out / "development" / "examples.arrow") as development,
        ExampleWriter(out / SEALED / TEST_FILE) as test,
    ):
        for batch, rows in _labelled(staged, labels):
            names = pa.array([SPLITS[split] for split in splits[rows]])
            is_test = pa.array(splits[rows] == TEST)
            development.write(batch.append_column(SPLIT, names).filter(pa.compute.invert(is_test)))
            test.write(batch.filter(is_test))


def _labelled(staged: _Staged, labels: Labels) -> Iterator[tuple[pa.RecordBatch, slice]]:
    """Staged batches with final labels, without what only collect sees."""
    start = 0
    for batch in staged.examples.batches():
        rows = slice(start, start + batch.num_rows)
        start = rows.stop
        hidden = [name for name in (ORIGIN, KEY, LABEL) if name in batch.schema.names]
        yield batch.drop_columns(hidden).append_column(LABEL, labels.to_arrow(rows)), rows


def _manifest(section: DataConfig, source: Source, staged: _Staged, labels: Labels, splits: np.ndarray) -> Manifest:
    return Manifest(
        kind=source.kind,
        task=labels.task,
        label=source.label,
        classes=labels.classes,
        columns=source.columns,
        counts={name: int((splits == index).sum()) for index, name in enumerate(SPLITS)},
        fingerprint=_fingerprint(source, staged.ids, labels, splits),
        source=source.description,
        missing=getattr(section, "missing", ()),
        separator=getattr(section, "separator", ","),
        text=getattr(section, "text", "text"),
    )


def _fingerprint(source: Source, ids: np.ndarray, labels: Labels, splits: np.ndarray) -> str:
    facts = [source.kind, labels.task, source.label, labels.classes, [asdict(column) for column in source.columns]]
    digest = hashlib.blake2b(json.dumps(facts).encode(), digest_size=16)
    for values in (ids.astype("S32"), labels.values, splits):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _report(
    section: DataConfig,
    source: Source,
    staged: _Staged,
    labels: Labels,
    splits: np.ndarray,
    manifest: Manifest,
    development: Examples,
    rejects: Rejects,
) -> DataReport:
    columns = column_facts(development, source.columns)
    findings: list[Finding] = [
        *find_duplicates(staged.ids, splits, labels, staged.origin),
        *find_odd_columns(columns),
        *find_absent_classes(labels, splits),
    ]
    if section.checks.leaky_columns != "ignore":
        findings += find_leaky_columns(development, source.columns, labels.task)
    contents = text_facts(development) if source.kind == "text" else {}
    if source.kind == "image":
        contents = staged.images.table()
        if section.checks.near_duplicates != "ignore":
            hashes = np.array(staged.images.hashes, np.uint64)
            findings += find_near_duplicates(hashes, staged.ids, splits, staged.origin)
    graded = grade(findings, section.checks)
    refuse(graded)
    return DataReport(
        manifest=manifest,
        reason=labels.reason,
        split=section.split.model_dump(),
        balance=label_balance(labels, splits),
        columns=columns,
        contents=contents,
        corrupt=tuple(rejects.named),
        left_out={reason: count for reason, count in source.left_out.items() if count},
        findings=tuple(graded),
    )


def _publish(report: DataReport, source: Source, development: Examples, out: Path, journal: Journal) -> None:
    (out / "artifacts").mkdir(exist_ok=True)
    for path in write_report(report, development, out / "artifacts"):
        journal.log_artifact(path)
    for note in source.notes:
        journal.say(note)
    journal.say(f"task: {report.manifest.task} ({report.reason}); `data.task` overrides it")
    for line in report.corrupt:
        journal.say(f"skipped {line}")
    for reason, count in report.left_out.items():
        journal.say(f"left out {count:,} examples: {reason}")
    for finding in report.findings:
        journal.say(f"warning: {finding.check}: {finding.text}")
    journal.log_metrics({f"examples/{split}": count for split, count in report.manifest.counts.items()})
    journal.set_tags({"data.fingerprint": report.manifest.fingerprint, "data.source": report.manifest.source})


def _summary(report: DataReport) -> str:
    manifest = report.manifest
    nouns = {"image": "images", "table": "rows", "text": "texts"}
    labels = f", {len(manifest.classes)} classes" if manifest.classes else ""
    counts = ", ".join(f"{split} {count:,}" for split, count in manifest.counts.items())
    warnings = f"; warnings: {len(report.findings)}" if report.findings else ""
    return f"{sum(manifest.counts.values()):,} {nouns[manifest.kind]}{labels}: {counts}{warnings}"
