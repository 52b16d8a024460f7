"""Writes docs/files.md: every source file with the first line of its docstring. Run by `make docs`."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("pipeline", "models", "tuning", "benchmarks", "docs")


def purposes() -> str:
    """Returns the list as Markdown, in the order of the folders."""
    lines = ["# Every file, in one line", "", "Made by `make docs` from the first line of each file's docstring."]
    for folder in FOLDERS:
        lines += ["", f"## {folder}/", ""]
        for file in sorted((ROOT / folder).rglob("*.py")):
            docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            lines.append(f"- `{file.relative_to(ROOT).as_posix()}`: {docstring.splitlines()[0]}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "docs/files.md").write_text(purposes(), encoding="utf-8")
