"""Docstrings to plain sentences: found by `ast`, cleaned of markup and code, one class a package."""

import ast
import hashlib
import importlib.util
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import UserError
from pipeline.progress import progress

MASK = "thispackage"
"""Stands for the name of any of the packages."""

MIN_WORDS, MAX_WORDS = 4, 60

_ALIASES = {
    "sklearn": ("scikit-learn", "scikit"),
    "numpy": ("np",),
    "pandas": ("pd",),
    "matplotlib": ("mpl", "plt", "pyplot"),
    "tensorflow": ("tf",),
}

_SKIPPED_FOLDERS = {"tests", "test", "testing", "_vendor", "vendored", "externals"}
_TEST_FILE = re.compile(r"test_.*|.*_test\.py|conftest\.py")
_NOT_PROSE = re.compile(
    r"\s*(>>>|\.\.\s|\.\.\. |@|:[\w ]+:|\||\+[-=]|[-=~^*#`_]{3,}|[\w.*, ]+ ?: [\w{(`\[]|!|[\w ]+:$)"
)
_FENCE = re.compile(r"\s*```")
_ROLE = re.compile(r":[\w:.+-]+:`~?([^`<]+?)(?:\s*<[^`>]*>)?`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^`>]*>`_{0,2}|\[([^\]]+)\]\([^)]*\)")
_ADDRESS = re.compile(r"https?://\S+|www\.\S+")
_REFERENCE = re.compile(r"\s*\[\w{1,6}\]_")
_MARKS = re.compile(r"[`*|]+_{0,2}")
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")


def package_sentences(packages: tuple[str, ...], sentences_per_package: int) -> dict[str, list[str]]:
    """Collects sentences of each package's docstrings.

    Files are visited in the order of a hash of their path until a package has enough, so that the same installed
    packages always give the same sentences. A sentence that two packages share is dropped.

    Args:
        packages: Import names.
        sentences_per_package: At most so many of each.

    Returns:
        Package to its sentences, in the order found.

    Raises:
        UserError: If a package is not installed or has no docstrings.
    """
    folders = {package: package_folder(package) for package in packages}
    names = _name_pattern(packages)
    found: dict[str, list[str]] = {}
    with progress("reading docstrings", len(packages), "packages") as advance:
        for package, folder in folders.items():
            found[package] = _distinct_sentences(folder, names, sentences_per_package)
            advance()
    shared = Counter(sentence.casefold() for sentences in found.values() for sentence in sentences)
    kept = {name: [text for text in texts if shared[text.casefold()] == 1] for name, texts in found.items()}
    for package, sentences in kept.items():
        if not sentences:
            raise UserError(f"data.packages: {package} has no sentences in its docstrings. Leave it out.")
    return kept


def package_folder(package: str) -> Path:
    """Where an installed package's source lies; the package is not imported.

    Raises:
        UserError: If it is not installed, or is no package of Python files.
    """
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"data.packages: expected the import name of an installed package. Received: {package}.")
    return Path(next(iter(spec.submodule_search_locations)))


def package_files(folder: Path) -> list[Path]:
    """The package's own Python files, sorted; tests and vendored code excluded."""
    return sorted(
        file
        for file in folder.rglob("*.py")
        if not _SKIPPED_FOLDERS.intersection(file.relative_to(folder).parts[:-1])
        and not _TEST_FILE.fullmatch(file.name)
    )


def _distinct_sentences(folder: Path, names: re.Pattern[str], limit: int) -> list[str]:
    def visited(file: Path) -> str:
        return hashlib.blake2b(file.relative_to(folder).as_posix().encode(), digest_size=8).hexdigest()

    found: dict[str, str] = {}
    for file in sorted(package_files(folder), key=visited):
        for docstring in _docstrings(file.read_bytes()):
            for sentence in to_sentences(docstring):
                masked = names.sub(MASK, sentence)
                found.setdefault(masked.casefold(), masked)
        if len(found) >= limit:
            break
    return list(found.values())[:limit]


def _docstrings(code: bytes) -> Iterator[str]:
    with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError):
            return  # A template or a file for another Python: packages ship some.
    for node in _blocks(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield docstring


def _blocks(tree: ast.Module) -> Iterator[ast.AST]:
    """The module and all statements in it; expressions, most of a tree, hold no docstring."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        yield node
        stack += (
            child
            for name in ("body", "orelse", "handlers", "finalbody")
            for child in getattr(node, name, ())
            if isinstance(child, ast.stmt | ast.excepthandler)
        )


def to_sentences(docstring: str) -> list[str]:
    """Cuts a docstring into plain sentences of `MIN_WORDS` to `MAX_WORDS` words; drops code, tables and markup."""
    sentences = []
    for paragraph in _paragraphs(docstring):
        for sentence in _END.split(_plain(paragraph)):
            if _is_sentence(sentence):
                sentences.append(sentence)
    return sentences


def _paragraphs(docstring: str) -> Iterator[str]:
    """Runs of prose lines; a fence or a doctest ends with its block."""
    lines: list[str] = []
    in_code = False
    for line in [*docstring.splitlines(), ""]:
        if _FENCE.match(line):
            in_code = not in_code
        if line.strip() and not in_code and not _NOT_PROSE.match(line):
            lines.append(line.strip())
        elif lines:
            yield " ".join(lines)
            lines = []


def _plain(paragraph: str) -> str:
    text = _ROLE.sub(r"\1", paragraph)
    text = _LINK.sub(lambda match: match[1] or match[2], text)
    text = _REFERENCE.sub("", _ADDRESS.sub("", text))
    return " ".join(_MARKS.sub("", text).split())


def _is_sentence(text: str) -> bool:
    """Starts with a capital, ends with a full stop, and is mostly words."""
    words = _WORD.findall(text)
    letters = sum(map(len, words))
    return (
        text[:1].isupper() and text[-1:] in ".!?" and MIN_WORDS <= len(words) <= MAX_WORDS and letters > 0.7 * len(text)
    )


def _name_pattern(packages: tuple[str, ...]) -> re.Pattern[str]:
    names = {name for package in packages for name in (package, *_ALIASES.get(package, ()))}
    alternatives = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{alternatives})(?![A-Za-z0-9])", re.IGNORECASE)
