"""The OpenAPI document is made once for each version of the code."""

from pathlib import Path

import pytest

from config import docs
from config.api.http.negotiation import to_json
from config.built_document import store_document, stored_document


@pytest.fixture
def source(settings, tmp_path) -> Path:
    """A source file of a project of its own."""
    settings.BASE_DIR, settings.DATA_DIR = tmp_path, tmp_path / "data"
    for name in ("events/views.py", "docs/api-introduction.md", "requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    return tmp_path / "events" / "views.py"


def test_a_document_is_stored_for_the_code_that_made_it(source, settings):
    store_document(lambda: {"version": 1})
    store_document(lambda: pytest.fail("It is stored."))
    of_its_code = stored_document()
    source.write_text("1 + 1")
    of_other_code = stored_document()
    store_document(lambda: {"version": 2})

    assert (of_its_code, of_other_code) == ({"version": 1}, None)
    assert stored_document() == {"version": 2}
    assert len(list(settings.DATA_DIR.iterdir())) == 1


def test_a_stored_document_equals_a_generated_one(source):
    generated = docs._generated_document()

    store_document(lambda: generated)

    assert to_json(stored_document()) == to_json(generated)
