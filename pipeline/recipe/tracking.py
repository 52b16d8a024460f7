"""The recipe's `tracking` section: where runs are recorded."""

from models.section import Section


class TrackingConfig(Section):
    """Where runs are recorded, and under which names."""

    uri: str = "sqlite:///mlruns/mlflow.db"
    """Any MLflow tracking URI; artifacts of a sqlite store lie beside its file. A server may be away: see `plumbline
    sync`."""
    experiment: str | None = None
    """MLflow experiment; by default the recipe's name."""
    directory: str = "mlruns"
    """Folder of the stages' outputs and of the runs' own records, relative to the working directory."""
    system_metrics: bool = True
    """Whether CPU, memory and GPU use are recorded while the run goes on."""
    tags: dict[str, str] = {}
    """Tags for the MLflow run."""
