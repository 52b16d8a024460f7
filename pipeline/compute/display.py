"""What `plumbline plan` and `plumbline qualify` found, as tables for the terminal."""

from rich.table import Table

from pipeline.compute.estimate import Estimate
from pipeline.compute.qualify import Qualification
from pipeline.compute.quantities import duration, scaled, size

DECIMAL_UNITS = ("", "k", "M", "G", "T", "P")


def estimate_table(found: Estimate) -> Table:
    """Lays an estimate out, one quantity a row."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value, note in _rows(found):
        table.add_row(name, value, f"[dim]{note}[/]")
    return table


def qualification_table(found: Qualification) -> Table:
    """Lays both policies out side by side, one quantity a row."""
    trials = (found.plain, found.mixed)
    table = Table("", *(trial.policy for trial in trials), box=None, pad_edge=False, header_style="dim")
    table.add_row("last loss", *(f"{trial.losses[-1]:.4g}" for trial in trials))
    table.add_row("step", *(duration(trial.step.median) for trial in trials))
    table.add_row("memory", *(size(trial.memory_bytes) for trial in trials))
    table.add_row("skipped steps", *(str(trial.skipped_steps) for trial in trials))
    table.add_row("layers not finite", *(", ".join(trial.non_finite) or "none" for trial in trials))
    return table


def _rows(found: Estimate) -> list[tuple[str, str, str]]:
    cost, batch = found.cost, found.batch_size
    low, high = (duration(secs) for secs in found.epoch_interval_secs)
    training_step = found.training_step
    return [
        ("parameters", f"{cost.num_parameters:,}", f"{cost.num_trainable:,} of them trainable; {found.policy}"),
        (
            "arithmetic",
            f"{scaled(cost.flops, 1000, DECIMAL_UNITS)}FLOPs an example",
            f"forward; training takes three times as many: {scaled(found.flops_per_sec, 1000, DECIMAL_UNITS)}FLOP/s",
        ),
        (
            "activations",
            size(cost.activation_bytes * batch),
            f"{size(cost.activation_bytes)} an example, {batch} in a batch",
        ),
        ("optimiser", size(cost.optimizer_bytes), "moments, averages, accumulators"),
        (
            "memory",
            size(cost.memory_bytes(batch)),
            f"at least, counted: these, weights {size(cost.parameter_bytes)}, gradients {size(cost.gradient_bytes)}",
        ),
        ("peak", size(found.peak_bytes), "measured over these steps: with buffers, data and libraries"),
        (
            "step",
            duration(training_step.median),
            f"median of {len(training_step.secs)} after warm-up, with the data path",
        ),
        (
            "epoch",
            duration(found.epoch_secs),
            f"{found.steps_per_epoch} steps and {found.validation_steps} of validation; {low} to {high}",
        ),
        ("training", duration(found.epochs * found.epoch_secs), f"{found.epochs} epochs at most"),
        (
            "disk",
            size(found.data_bytes + found.network_bytes),
            f"data {size(found.data_bytes)} (written), weights {size(found.network_bytes)} in two copies",
        ),
    ]
