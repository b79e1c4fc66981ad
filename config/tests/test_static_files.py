"""Static files: hashed names, long lifetimes, compression."""

import gzip
import os
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from config.static_files import HashedStaticFiles, collect_changed

pytestmark = pytest.mark.django_db

SOURCES = {"large.css": ".event { color: teal }\n" * 500, "large.js": "start();\n" * 500}


@pytest.fixture
def sources(settings, tmp_path) -> Path:
    """A project whose only static files are `SOURCES` and those of the pages."""
    directory = tmp_path / "sources"
    directory.mkdir()
    for name, text in SOURCES.items():
        (directory / name).write_text(text)
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [*settings.STATICFILES_DIRS, directory]
    settings.STATIC_ROOT = tmp_path / "collected"
    return directory


@pytest.fixture
def client_after_collecting(sources) -> Client:
    call_command("collectstatic", interactive=False, verbosity=0)
    return Client()


def address_of(name: str) -> str:
    return HashedStaticFiles().url(name)


def body_of(response) -> bytes:
    body = b"".join(response.streaming_content)
    response.close()
    return body


def test_page_refers_to_a_hashed_name_with_a_lifetime_of_years(client_after_collecting):
    page = client_after_collecting.get("/").content.decode()
    (address,) = re.findall(r'href="(/static/site\.[0-9a-f]{12}\.css)"', page)

    response = client_after_collecting.get(address)

    body_of(response)
    assert response.status_code == 200
    assert response["Cache-Control"] == "max-age=315360000, public, immutable"


@pytest.mark.parametrize("name", SOURCES)
def test_static_file_is_compressed_for_clients_that_accept_it(client_after_collecting, name):
    address = address_of(name)

    packed = client_after_collecting.get(address, headers={"Accept-Encoding": "gzip"})
    plain = client_after_collecting.get(address)

    assert packed["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain
    assert {packed["Vary"], plain["Vary"]} == {"Accept-Encoding"}
    assert gzip.decompress(body_of(packed)) == body_of(plain) == SOURCES[name].encode()


def test_changed_file_has_another_name(client_after_collecting, sources):
    before = address_of("large.css")

    (sources / "large.css").write_text(".event { color: navy }\n")
    call_command("collectstatic", interactive=False, verbosity=0)

    assert address_of("large.css") != before
    response = client_after_collecting.get(before)  # a page that was loaded before
    assert body_of(response) == SOURCES["large.css"].encode()


def test_plain_names_work_without_collecting_and_are_checked_again_soon(sources):
    assert address_of("large.css") == "/static/large.css"

    response = Client().get("/static/large.css")

    assert body_of(response) == SOURCES["large.css"].encode()
    assert response["Cache-Control"] == "max-age=60, public"


def test_files_are_collected_again_only_after_a_change(sources):
    assert collect_changed()
    assert not collect_changed()
    manifest = HashedStaticFiles().path(HashedStaticFiles.manifest_name)

    later = Path(manifest).stat().st_mtime + 10
    os.utime(sources / "large.js", (later, later))

    assert collect_changed()
