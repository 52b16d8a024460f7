"""The error for a mistake that the user can mend: shown as one message, exit code 2, no traceback."""


class UserError(ValueError):
    """A mistake in what the user gave: recipe, data or command.

    The message says where, what was expected, what came, and what to do.
    """
