"""The `train` section as it holds in each phase of transfer learning."""

from pipeline.recipe.train import TrainConfig, trained_epochs


def phase_sections(train: TrainConfig) -> list[TrainConfig]:
    """Returns the section of the phase of the head alone, and of each step of fine-tuning.

    Args:
        train: The recipe's `train` section.
    """
    tuning = train.fine_tuning
    if tuning is None:
        return [train]
    whole = train.model_dump() | {"fine_tuning": None}
    slow = whole["optimizer"] | {"learning_rate": tuning.learning_rate}
    return [
        TrainConfig.model_validate(whole),
        *(
            TrainConfig.model_validate({**whole, "optimizer": slow, "epochs": epochs})
            for epochs in even_shares(tuning.epochs, tuning.gradual_steps)
        ),
    ]


def longest_phase(train: TrainConfig) -> int:
    """Epochs of the longest phase, as far as it is trained."""
    tuning = train.fine_tuning
    return max(trained_epochs(train), even_shares(tuning.epochs, tuning.gradual_steps)[-1] if tuning else 0)


def even_shares(total: int, parts: int) -> list[int]:
    """Splits a whole number into parts that differ by 1 at most, the larger ones last; 0 where there are too few."""
    return [(total + i) // parts for i in range(parts)]
