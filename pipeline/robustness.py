"""How a score falls as test examples are corrupted, little by little: noise, blur, typos, missing values."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance, ImageFilter

from models.seeds import seed_for
from pipeline.comparison.intervals import estimates
from pipeline.comparison.resampling import SEED
from pipeline.figures import figure, save
from pipeline.journal import Journal
from pipeline.metrics import Predicted

MAX_EXAMPLES = 500
"""Test examples that are corrupted: the first ones."""

NUM_RESAMPLES = 500

Tensors = Mapping[str, np.ndarray]
"""Raw tensors by name, as `serving.raw.raw_tensors` gives them: (num_examples, ...)."""

Corruption = Callable[[Tensors, float], dict[str, np.ndarray]]
"""Raw tensors and how much, to raw tensors."""


def measure_robustness(
    metric: str, kind: str, tensors: Tensors, predict: Callable[[Tensors], Predicted]
) -> pd.DataFrame:
    """Scores a model on corrupted examples.

    Args:
        metric: What to score by.
        kind: image, text or table.
        tensors: Raw test examples.
        predict: Raw tensors of these examples -> their labels with what the model answers.

    Returns:
        A row a corruption and level: `corruption`, `level` (0: none), `amount` (in the corruption's own unit), `score`,
        `low`, `high` (95 % interval).
    """
    rows = []
    for name, (corrupt, amounts) in CORRUPTIONS[kind].items():
        for level, amount in enumerate((0.0, *amounts)):
            of = predict(corrupt(tensors, amount) if level else tensors)
            found = estimates([metric], of, seed=SEED, num_resamples=NUM_RESAMPLES)[metric]
            rows.append((name, level, amount, found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["corruption", "level", "amount", "score", "low", "high"])


def report_robustness(table: pd.DataFrame, metric: str, artifacts: Path, journal: Journal) -> None:
    """Writes `robustness.csv` and `robustness.png`, and records the score at the strongest level of each corruption.

    Args:
        table: What `measure_robustness` gave.
        metric: What was scored.
        artifacts: Folder to write into.
        journal: Gets `robustness/<corruption>`.
    """
    table.to_csv(artifacts / "robustness.csv", index=False)
    drawn, (axis,) = figure(width=6.4)
    for name, rows in table.groupby("corruption", sort=False):
        (line,) = axis.plot(rows["level"], rows["score"], marker="o", label=str(name))
        axis.fill_between(rows["level"], rows["low"], rows["high"], color=line.get_color(), alpha=0.12)
    axis.set(title="Robustness (95 % intervals)", xlabel="level of corruption", ylabel=metric)
    axis.set_xticks(sorted(set(table["level"])))
    axis.legend(frameon=False)
    save(drawn, artifacts / "robustness.png")
    strongest = table[table["level"] == table["level"].max()]
    journal.log_metrics(
        {f"robustness/{row.corruption}": float(row.score) for row in strongest.itertuples() if row.score == row.score}
    )


def _generator(name: str, row: int) -> np.random.Generator:
    """The same draws for an example at every level, so that levels differ by their amount alone."""
    return np.random.Generator(np.random.PCG64(seed_for(0, "robustness", name, row)))


def _of_images(change: Callable[[Image.Image, float, int], Image.Image]) -> Corruption:
    def corrupt(tensors: Tensors, amount: float) -> dict[str, np.ndarray]:
        images = [_encoded(change(_decoded(image), amount, row)) for row, image in enumerate(tensors["image"])]
        return {"image": np.array(images, dtype=object)}

    return corrupt


def _decoded(encoded: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(encoded))
    return image.convert("L" if image.mode in ("L", "1", "I;16") else "RGB")


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _noise(image: Image.Image, deviation: float, row: int) -> Image.Image:
    pixels = np.asarray(image, np.float64)
    noisy = pixels + 255 * deviation * _generator("noise", row).normal(size=pixels.shape)
    return Image.fromarray(np.clip(np.round(noisy), 0, 255).astype(np.uint8))


def _blur(image: Image.Image, share: float, _: int) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(share * min(image.size)))


def _contrast(image: Image.Image, lost: float, _: int) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(1 - lost)


def _rotate(image: Image.Image, degrees: float, row: int) -> Image.Image:
    sign = 1 if _generator("rotation", row).random() < 0.5 else -1
    return image.rotate(sign * degrees, Image.Resampling.BILINEAR)


def _of_texts(change: Callable[[str, float, np.random.Generator], str], name: str) -> Corruption:
    def corrupt(tensors: Tensors, share: float) -> dict[str, np.ndarray]:
        texts = [change(text, share, _generator(name, row)) for row, text in enumerate(tensors["text"])]
        return {"text": np.array(texts, dtype=object)}

    return corrupt


def _typos(text: str, share: float, generator: np.random.Generator) -> str:
    """Swaps a share of the letters with their neighbours."""
    letters = list(text)
    for i in np.flatnonzero(generator.random(max(0, len(letters) - 1)) < share):
        letters[i], letters[i + 1] = letters[i + 1], letters[i]
    return "".join(letters)


def _drop_words(text: str, share: float, generator: np.random.Generator) -> str:
    """Leaves a share of the words out, never all."""
    words = text.split()
    kept = [word for word, draw in zip(words, generator.random(len(words)), strict=True) if draw >= share]
    return " ".join(kept or words[:1])


def _missing(tensors: Tensors, share: float) -> dict[str, np.ndarray]:
    """Empties a share of the cells."""
    changed = {}
    for name, cells in tensors.items():
        draws = np.stack([_generator(f"missing {name}", row).random(cells.shape[1]) for row in range(len(cells))])
        changed[name] = np.where(draws < share, np.nan if name == "numbers" else "", cells).astype(cells.dtype)
    return changed


def _scaled(tensors: Tensors, more: float) -> dict[str, np.ndarray]:
    """Makes all numbers larger, as a changed unit or a drifting sensor does."""
    return {name: cells * np.float32(1 + more) if name == "numbers" else cells for name, cells in tensors.items()}


CORRUPTIONS: dict[str, dict[str, tuple[Corruption, tuple[float, ...]]]] = {
    "image": {
        "noise": (_of_images(_noise), (0.05, 0.1, 0.2, 0.3)),
        "blur": (_of_images(_blur), (0.02, 0.04, 0.08, 0.12)),
        "contrast": (_of_images(_contrast), (0.25, 0.5, 0.7, 0.85)),
        "rotation": (_of_images(_rotate), (5.0, 10.0, 20.0, 30.0)),
    },
    "text": {
        "typos": (_of_texts(_typos, "typos"), (0.02, 0.05, 0.1, 0.2)),
        "word drop": (_of_texts(_drop_words, "word drop"), (0.05, 0.1, 0.2, 0.4)),
    },
    "table": {"missing": (_missing, (0.05, 0.1, 0.2, 0.4)), "scaled": (_scaled, (0.1, 0.25, 0.5, 1.0))},
}
"""Kind of data to corruptions, with the amounts of their levels: standard deviation of the noise and lost contrast as
shares of the full range, radius of the blur as a share of the shorter side, degrees, shares of letters, words and
cells, growth of the numbers."""
