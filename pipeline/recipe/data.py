"""The recipe's `data` section: where examples come from and how they are split; one class a source."""

from typing import Annotated, Literal

from pydantic import Field

from models.section import Section
from models.spec import Kind

Names = Annotated[tuple[str, ...], Field(strict=False)]
Label = str | Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Task = Literal["auto", "binary", "multiclass", "multilabel", "regression"]
Severity = Literal["ignore", "warn", "error"]


class SplitConfig(Section):
    """How examples are divided into train, validation and test."""

    by: Literal["hash", "stratified", "time", "group", "source"] = "hash"
    """hash: by the content of each example; stratified: the same within each class; time: the latest rows are the test;
    group: rows of one group stay together; source: as the data source gives them."""
    validation: float = Field(0.15, gt=0, lt=1)
    """Share of examples for validation, in (0, 1)."""
    test: float = Field(0.2, gt=0, lt=1)
    """Share of examples for the sealed test set, in (0, 1)."""
    column: str | None = None
    """Column of the time or the group (by: time, group)."""
    seed: int = 0
    """Chooses another split of the same data; apart from the recipe's seed, so that seeds compare on one test set."""


class ChecksConfig(Section):
    """What to do about what the data report finds."""

    corrupt: Literal["error", "skip"] = "error"
    """Files and rows that cannot be read: stop, or skip them (they are named and counted either way)."""
    leakage: Severity = "warn"
    """Exact duplicates of an example in another split."""
    leaky_columns: Severity = "warn"
    """Table columns that tell the label alone, nearly without an error."""
    duplicates: Severity = "warn"
    """Exact duplicates within a split."""
    conflicting_labels: Severity = "warn"
    """Exact duplicates with different labels."""
    near_duplicates: Severity = "warn"
    """Images in different splits whose perceptual hashes are equal or nearly so."""
    constant_columns: Severity = "warn"
    """Table columns with one value only."""
    duplicate_columns: Severity = "warn"
    """Table columns equal to another one."""
    identifier_columns: Severity = "warn"
    """Table columns that name or number the rows; nothing general can be learnt from them."""
    missing_values: Severity = "ignore"
    """Missing values in table columns (imputed by preprocess)."""
    absent_classes: Severity = "warn"
    """Classes that validation or test has no example of."""


class DataSection(Section):
    """What every source has."""

    batch_size: int = Field(64, ge=1)
    """Examples in a training batch."""
    sampling: Literal["natural", "balanced"] = "natural"
    """natural: an epoch holds every training example once; balanced: every class equally often, as often as the largest
    one has examples, so that those of smaller classes come again (an epoch gets longer). Validation stays as it is."""
    task: Task = "auto"
    """What is learnt; auto: from the labels."""
    split: SplitConfig = SplitConfig()
    """How examples are divided into train, validation and test."""
    checks: ChecksConfig = ChecksConfig()
    """What to do about what the data report finds."""
    memory: Literal["auto", "memory", "disk"] = "auto"
    """Where training reads prepared examples: memory, or memory-mapped files; auto: memory while they fit in a quarter
    of it."""


class DigitsConfig(DataSection):
    """1,797 images of handwritten digits, 8×8 grey (scikit-learn); needs no network."""

    type: Literal["digits"]
    """The data source."""


class BreastCancerConfig(DataSection):
    """569 rows of 30 measurements of cell nuclei, benign or malignant (scikit-learn); needs no network."""

    type: Literal["breast_cancer"]
    """The data source."""


class DocstringsConfig(DataSection):
    """Sentences of the docstrings of installed packages: which package is one from? Needs no network."""

    type: Literal["docstrings"]
    """The data source."""
    packages: Names = ("numpy", "scipy", "pandas", "sklearn", "matplotlib", "keras", "mlflow")
    """Import names of the packages, the classes to tell apart."""
    sentences_per_package: int = Field(3000, ge=10)
    """At most so many sentences of each package, chosen by hash."""


class TfdsConfig(DataSection):
    """Any TensorFlow Datasets data set that is prepared in `data_dir`."""

    type: Literal["tfds"]
    """The data source."""
    name: str
    """`NAME[/CONFIG][:VERSION]`, such as `fashion_mnist` or `glue/sst2:2.0.0`."""
    data_dir: str = "~/tensorflow_datasets"
    """Folder of prepared data sets."""
    download: bool = False
    """Whether to download and prepare the data set when `data_dir` lacks it."""
    input: str | None = None
    """Feature to learn from; by default the only image or text, else all columns but the label."""
    label: str | None = None
    """Feature to predict; by default the supervised key of the data set."""


class FolderConfig(DataSection):
    """Images in one folder a class: `path/cat/1.png`, `path/dog/2.jpg`."""

    type: Literal["folder"]
    """The data source."""
    path: str
    """The folder; with split.by source it holds train/, validation/ and test/ folders of classes."""


class TableSection(DataSection):
    """What tables have."""

    path: str
    """The file."""
    label: Label
    """Column to predict; several 0/1 columns for a multi-label task."""
    columns: dict[str, Literal["number", "category", "boolean", "date"]] = {}
    """Types of columns where the inferred one is wrong."""
    ignore: Names = ()
    """Columns not to learn from."""


class CsvConfig(TableSection):
    """A table in a CSV file with a header."""

    type: Literal["csv"]
    """The data source."""
    separator: str = Field(",", min_length=1, max_length=1)
    """Character between columns."""
    missing: Names = ("", "NA", "NaN", "nan", "null", "NULL", "None", "?")
    """Texts that mean a missing value."""


class ParquetConfig(TableSection):
    """A table in a Parquet file."""

    type: Literal["parquet"]
    """The data source."""


class TextFileConfig(DataSection):
    """Texts with labels, in a CSV or JSON-lines file."""

    type: Literal["text"]
    """The data source."""
    path: str
    """The file, .csv or .jsonl."""
    text: str = "text"
    """Column of the text."""
    label: Label = "label"
    """Column to predict; several 0/1 columns (or one column of lists) for a multi-label task."""


class IdxConfig(DataSection):
    """Images and labels in files of the MNIST format (IDX, gzipped or not)."""

    type: Literal["idx"]
    """The data source."""
    path: str
    """Folder with train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz] and, if there, the t10k- pair."""


class NpzConfig(DataSection):
    """Arrays in a NumPy .npz file: uint8 images (n, height, width[, channels]) or rows of numbers (n, columns)."""

    type: Literal["npz"]
    """The data source."""
    path: str
    """The file."""
    x: str = "x"
    """Name of the array of examples; `x_train`, `x_test` pairs are found when split.by is source."""
    y: str = "y"
    """Name of the array of labels: (n,) classes or values, (n, classes) one-hot or multi-hot."""


DataConfig = Annotated[
    DigitsConfig
    | BreastCancerConfig
    | DocstringsConfig
    | TfdsConfig
    | FolderConfig
    | CsvConfig
    | ParquetConfig
    | TextFileConfig
    | IdxConfig
    | NpzConfig,
    Field(discriminator="type"),
]

KINDS: dict[str, Kind] = {
    "digits": "image",
    "breast_cancer": "table",
    "docstrings": "text",
    "folder": "image",
    "csv": "table",
    "parquet": "table",
    "text": "text",
    "idx": "image",
}
"""Kind of example of each source; sources that are not here are known only once read."""

TASKS: dict[str, Task] = {"digits": "multiclass", "breast_cancer": "binary", "docstrings": "multiclass"}
"""Task of each source that has one of its own."""
