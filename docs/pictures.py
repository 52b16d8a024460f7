"""Draws docs/images/diagnosis/: what each rule finds, beside a near miss that it lets pass. Run by `make docs`."""

import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/images/diagnosis"

sys.path.insert(0, str(ROOT))  # the planted faults are those of the tests

from pipeline.diagnosis.diagnose import diagnose  # noqa: E402
from pipeline.diagnosis.figures import Figure, drawn, figure, legend  # noqa: E402
from pipeline.diagnosis.rules import RULES  # noqa: E402
from tests.diagnosis.test_rules import PLANTED, Planted  # noqa: E402

WIDTH, HEIGHT, LINE = 300, 90, 14


def main() -> None:
    """Writes one SVG a rule, of the first fault that is planted for it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    planted = {each.symptom: each for each in reversed(PLANTED)}
    for rule in RULES:
        (FOLDER / f"{rule.symptom}.svg").write_text(picture(planted[rule.symptom]), encoding="utf-8")


def picture(planted: Planted) -> str:
    """Draws a fault and its near miss side by side, on one scale."""
    rule = next(rule for rule in RULES if rule.symptom == planted.symptom)
    sick, near = planted.sick(), planted.near_miss()
    found = next(finding for finding in diagnose(sick) if finding.symptom == planted.symptom)
    assert found.figure
    passed = figure(rule.shows, found.layers, near)
    lines = max(len(found.figure.lines), len(passed.lines))
    height = HEIGHT + 20 + LINE * (lines + 1)
    left = panel(f"found: {found.figure.what}", found.figure, passed)
    right = panel("a near miss, not found", passed, found.figure)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH + 20} {height}" width="{2 * WIDTH + 20}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
        f'{left}<g transform="translate({WIDTH + 20})">{right}</g></svg>\n'
    )


def panel(title: str, shown: Figure, beside: Figure) -> str:
    """One figure with its title and the names and values of its lines."""
    svg = drawn(shown, beside=beside, width=WIDTH, height=HEIGHT).replace("<svg ", f'<svg y="16" width="{WIDTH}" ', 1)
    svg = svg.replace("viewBox", f'height="{HEIGHT}" viewBox', 1)
    texts = [
        f'<text x="6" y="{HEIGHT + 20 + LINE * (place + 1)}" fill="{colour}">{escape(name)}: {values}</text>'
        for place, (name, colour, values) in enumerate(legend(shown))
    ]
    return f'<text x="6" y="12" fill="#1f2933">{escape(title)}</text>{svg}{"".join(texts)}'


if __name__ == "__main__":
    main()
