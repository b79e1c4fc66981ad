"""Checks that what the documentation refers to exists.

- Relative links of Markdown pages lead to a file, and their anchors to a heading.
- Paths in backticks exist, such as `config/urls.py` or `config/{env,urls}.py`. So do tests that are
  named without their folder.
- Pages that other files name, such as `docs/security.md`, exist.

Prints one line for each broken reference. Exits with 1 if there is one.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FOLDERS = ("accounts", "benchmarks", "config", "docs", "events", "registrations")
SUFFIXES = {".example", ".md", ".py", ".toml", ".yaml"}
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
PATH = re.compile(rf"`((?:\.ci|{'|'.join(FOLDERS)})/[^`\s]*)`")
TEST = re.compile(r"`(test_\w+\.py)`")
PAGE = re.compile(r"(?<![\w/.])docs/[\w/-]+\.md")


def main() -> int:
    files = [file for folder in FOLDERS for file in (PROJECT / folder).rglob("*.*")]
    files = [file for file in (*PROJECT.glob("*.*"), *files) if file.suffix in SUFFIXES]
    tests = {file.name for file in files if file.name.startswith("test_")}
    broken = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        targets = [page for page in PAGE.findall(text) if not (PROJECT / page).is_file()]
        if file.suffix == ".md":
            targets += broken_references(file, text, tests)
        broken += [f"{file.relative_to(PROJECT)}: no such target: {name}\n" for name in targets]
    sys.stderr.write("".join(broken))
    return 1 if broken else 0


def broken_references(page: Path, text: str, tests: set[str]) -> Iterator[str]:
    for path, anchor in LINK.findall(text):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{path}#{anchor}" if anchor else path
    for path in PATH.findall(text):
        yield from (name for name in alternatives(path) if not (PROJECT / name).exists())
    yield from (name for name in TEST.findall(text) if name not in tests)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and GitLab derive from a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def alternatives(path: str) -> list[str]:
    """`a/{b,c}` as `a/b` and `a/c`."""
    match = re.search(r"\{([^{}]*)\}", path)
    if not match:
        return [path]
    start, end = path[: match.start()], path[match.end() :]
    return [name for part in match[1].split(",") for name in alternatives(start + part + end)]


if __name__ == "__main__":
    sys.exit(main())
