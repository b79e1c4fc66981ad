"""The check of the documentation reports references that lead nowhere, and nothing else."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "check_docs.py"
DOCS = "docs"  # apart from the names of pages, since the check also reads this file


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Runs the check on a project of a page and a module; returns its status and its errors."""
    spec = importlib.util.spec_from_file_location("check_docs", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "PROJECT", tmp_path)
    for folder in ("docs", "events/tests"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "events" / "tests" / "test_zones.py").touch()

    def run(page: str, module: str = "") -> tuple[int, str]:
        (tmp_path / "docs" / "page.md").write_text(page)
        (tmp_path / "events" / "zones.py").write_text(module)
        return script.main(), capsys.readouterr().err

    return run


def test_references_that_exist_pass(check):
    page = (
        "# C# and .NET, briefly\n[a](page.md#c-and-net-briefly) [b](#c-and-net-briefly)\n"
        "[c](https://example.org/x.md) `events/zones.py` `test_zones.py`\n"
        "`events/{zones.py,tests}`\n"
    )

    assert check(page, f'"""Explained in {DOCS}/page.md; the route is /api/docs/."""') == (0, "")


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("[a](other.md)", "other.md"),
        ("[a](page.md#nowhere)", "page.md#nowhere"),
        ("[a](#nowhere)", "#nowhere"),
        ("`events/zone.py`", "events/zone.py"),
        ("`events/{zones,other}.py`", "events/other.py"),
        ("`test_other.py`", "test_other.py"),
    ],
)
def test_a_reference_that_leads_nowhere_fails(check, reference, target):
    assert check(f"# Page\n{reference}\n") == (1, f"{DOCS}/page.md: no such target: {target}\n")


def test_a_page_that_code_names_has_to_exist(check):
    status, errors = check("# Page\n", f'"""Explained in {DOCS}/other.md."""')

    assert (status, errors) == (1, f"events/zones.py: no such target: {DOCS}/other.md\n")
