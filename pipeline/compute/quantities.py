"""Bytes and seconds in words."""

BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(size_bytes: float) -> str:
    """A number of bytes in binary units: `1.5 MiB`."""
    return scaled(size_bytes, 1024, BINARY_UNITS)


def duration(secs: float) -> str:
    """A time in the units that people say: `0.8 s`, `3 min 20 s`, `2 h 5 min`."""
    if secs < 60:
        return f"{secs:.2g} s" if secs < 10 else f"{secs:.0f} s"
    minutes, seconds = divmod(round(secs), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    return f"{minutes // 60} h {minutes % 60} min"


def scaled(value: float, base: int, units: tuple[str, ...]) -> str:
    """A value in the largest unit that leaves a number of 1 or more, in three digits."""
    for unit in units[:-1]:
        if value < base:
            return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
        value /= base
    return f"{value:.3g} {units[-1]}"
