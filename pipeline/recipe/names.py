"""What a name in a recipe may be: of a run, of a registered model, of an experiment."""

NAME = r"^[A-Za-z0-9][A-Za-z0-9._ -]*$"
"""MLflow, file systems and MLflow's searches take any such name."""

NAME_IN_WORDS = "letters, digits, spaces and . _ - only, beginning with a letter or digit"
