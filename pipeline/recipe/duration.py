"""Times as recipes write them: `90s`, `20m`, `1h30m`."""

import re

PATTERN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
UNIT_SECS = (3600, 60, 1)


def duration_secs(text: str) -> float | None:
    """Reads a time.

    Args:
        text: Hours, minutes and seconds, each with its letter, in this order; one of them at least.

    Returns:
        Seconds, above 0; None if the text is no time, or none at all.
    """
    found = PATTERN.fullmatch(text)
    if not found:
        return None
    return sum(float(count) * unit for count, unit in zip(found.groups(default="0"), UNIT_SECS, strict=True)) or None
