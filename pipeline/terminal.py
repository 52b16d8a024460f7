"""What a run looks like in the terminal: a line a stage as it goes, then the results."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from pipeline.results import in_words, scores_on_test

if TYPE_CHECKING:
    from pipeline.execution import Planned, RunResult
    from pipeline.seeds import SeedsResult


def console() -> Console:
    """Returns a console that wraps nothing when it is not a terminal."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=160, soft_wrap=True)


def terminal() -> Callable[[dict[str, Any]], None]:
    """Returns a listener that prints what stages are doing and what they say."""
    out = console()

    def listen(record: dict[str, Any]) -> None:
        if record["kind"] == "stage":
            out.print(_stage_line(record), highlight=False)
        elif record["kind"] == "say":
            out.print(f"             [dim]·[/] {_escaped(record['text'])}", highlight=False)

    return listen


def _stage_line(record: dict[str, Any]) -> str:
    name, reason = f"[bold]{record['name']:11}[/]", _escaped(record["reason"])
    if record["status"] == "runs":
        return f"{name}  [cyan]runs[/]    {reason}"
    if record["status"] == "reused":
        return f"{name}  [dim]reused[/]  {_escaped(record['summary'])} [dim]({reason})[/]"
    return f"{'':11}  [green]done[/]    {_escaped(record['summary'])} [dim]({record['seconds']:.1f} s)[/]"


def print_plan(planned: "list[Planned]") -> None:
    """Prints what would run and why."""
    table = Table("stage", "would", "why", box=None, pad_edge=False, header_style="dim")
    for stage in planned:
        table.add_row(stage.name, stage.action, _escaped(stage.reason))
    console().print(table)


def print_result(result: "RunResult") -> None:
    """Prints the metrics of the test set, the model and where to look."""
    out = console()
    out.print()
    if not result.ran:
        out.print("Nothing to run: no recipe key, input, code or library that a stage depends on has changed.")
    if result.test_metrics:
        shown = "   ".join(_metric(name, result.metrics) for name in scores_on_test(result.metrics))
        out.print(f"test      {shown}", highlight=False)
    if result.model:
        out.print(f"model     {_escaped(result.model)}", highlight=False)
    if result.report.exists():
        out.print(f"report    {_escaped(str(result.report))}", highlight=False)
    if result.run_id:
        out.print(f"run       {result.run_id}   look at it with: plumbline ui", highlight=False)


def print_seeds(result: "SeedsResult") -> None:
    """Prints what a recipe scores over its seeds, and where to look."""
    out = console()
    out.print()
    for spread in result.spreads.values():
        out.print(f"test      {_escaped(str(spread))}", highlight=False)
    for line in (result.told_apart, *result.warnings):
        out.print(f"          {_escaped(line)}", highlight=False)
    out.print(f"run       {result.run_id}   compare it with another: plumbline compare", highlight=False)


def _metric(name: str, metrics: Mapping[str, float]) -> str:
    value, _, interval = in_words(name, metrics).partition(" ")
    return f"{name} [bold]{value}[/]" + (f" [dim]{_escaped(interval)}[/]" if interval else "")


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
