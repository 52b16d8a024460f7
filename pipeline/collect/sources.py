"""Which module reads which source: the one place that joins them."""

from pathlib import Path

from pipeline.collect.source import Rejects, Source
from pipeline.recipe import data


def open_source(section: data.DataConfig, work: Path, rejects: Rejects) -> Source:
    """Opens the recipe's source of data; each module is imported when it is needed, TensorFlow for TFDS data alone.

    Args:
        section: The recipe's `data`.
        work: Folder for files that may go once the source is read.
        rejects: Where files and rows that cannot be read are named.

    Raises:
        UserError: If the data cannot be what the recipe says.
    """
    match section:
        case data.DigitsConfig():
            from pipeline.collect.digits import read_digits

            return read_digits(work)
        case data.BreastCancerConfig():
            from pipeline.collect.breast_cancer import read_breast_cancer

            return read_breast_cancer(work)
        case data.DocstringsConfig():
            from pipeline.collect.docstrings import read_docstrings

            return read_docstrings(section, work)
        case data.TfdsConfig():
            from pipeline.collect.tfds import read_tfds

            return read_tfds(section)
        case data.FolderConfig():
            from pipeline.collect.folder import read_folder

            return read_folder(section, rejects)
        case data.CsvConfig():
            from pipeline.collect.table import read_csv

            return read_csv(section, rejects)
        case data.ParquetConfig():
            from pipeline.collect.table import read_parquet

            return read_parquet(section)
        case data.TextFileConfig():
            from pipeline.collect.text import read_text

            return read_text(section, rejects)
        case data.IdxConfig():
            from pipeline.collect.idx import read_idx

            return read_idx(section)
        case data.NpzConfig():
            from pipeline.collect.npz import read_npz

            return read_npz(section)
