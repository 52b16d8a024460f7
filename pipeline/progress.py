"""Progress bars for long work: drawn on a terminal, silent elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress(title: str, total: int | None, unit: str = "examples") -> Iterator[Callable[..., None]]:
    """Shows how far a piece of work is, with its rate and the time left.

    Args:
        title: What is being done.
        total: Number of units in all; None when unknown.
        unit: What is counted.

    Yields:
        `advance(count=1, **shown)`: moves the bar by `count` units; `shown` are values to print beside it.
    """
    from tqdm import tqdm

    with tqdm(total=total, desc=title, unit=f" {unit}", disable=not sys.stderr.isatty(), leave=False) as bar:

        def advance(count: int = 1, **shown: object) -> None:
            if shown:
                bar.set_postfix({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in shown.items()}, refresh=False)
            bar.update(count)

        yield advance
