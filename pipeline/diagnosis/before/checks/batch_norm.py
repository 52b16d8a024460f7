"""Check: batch normalisation over few examples."""

from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import Remedy


class BatchNorm(Check):
    """Batch normalisation takes mean and variance from the batch: of a few examples they are mostly noise."""

    symptom = "small_batch_norm"
    title = "batch normalisation"
    source = "Wu and He 2018, https://arxiv.org/abs/1803.08494, figure 1"
    remedies = (
        Remedy({"data.batch_size": 32}, "enough examples for mean and variance of a batch"),
        Remedy({"model.batch_norm": None, "model.normalization": "group"}, "it does not depend on the batch"),
        Remedy({"model.batch_norm": None, "model.normalization": "layer"}, "it does not depend on the batch either"),
    )

    noisy: int = 16
    """Examples in a batch below which its statistics are noisy."""
    harmful: int = 8
    """Examples below which the error rises markedly."""

    def words(self, seen: Seen) -> str:
        """How many layers, over how many examples."""
        if not seen.normalized or not seen.batch_size:
            return ""
        return f"{len(seen.normalized)} layers over batches of {seen.batch_size}"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Compares what the network takes at once with how many it takes for statistics."""
        if seen.batch_size >= self.noisy:
            return
        yield self.finding(
            "warning" if seen.batch_size < self.harmful else "note",
            f"Batch normalisation over batches of {seen.batch_size} is noisy; use {self.noisy} or more.",
            layers=seen.normalized,
            evidence={"batch size": seen.batch_size},
        )
