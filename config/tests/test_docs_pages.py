"""The documentation pages: they respond, use no outside hosts, and have no dead links."""

import re
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import urlsplit

import orjson
import pytest
from django.test import Client
from django.utils.html import escape

from config.docs import openapi_document
from config.errors import all_errors
from config.tests.browser import find_browser, open_browser
from config.tests.test_headers import waiting_for

PAGES = ["/developers/", "/api/docs/", "/api/redoc/", "/problems/", "/problems/event-full"]


class Addresses(HTMLParser):
    """Everything that a page loads or links to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline_scripts = 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.inline_scripts += tag == "script" and "src" not in given
        self.links += [
            given[name] for name in ("src", "href", "action", "data-document") if given.get(name)
        ]


@pytest.fixture
def browser() -> Client:
    return Client(headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})


@pytest.mark.parametrize("path", PAGES)
def test_pages_answer_in_html(browser, path):
    response = browser.get(path)

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")
    assert re.search(r"<title>[^<]+</title>", response.content.decode())


@pytest.mark.parametrize("path", PAGES)
def test_pages_name_no_outside_host_and_run_no_inline_script(browser, path):
    addresses = Addresses(browser.get(path).content.decode())

    assert [link for link in addresses.links if urlsplit(link).netloc] == []
    assert addresses.inline_scripts == 0


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_only_what_is_there(db, browser, path):
    addresses = Addresses(browser.get(path).content.decode())

    loaded = [link for link in addresses.links if not link.startswith(("data:", "#"))]
    assert loaded != []
    # The list of events first: closing a response closes the connection to the database.
    for address in sorted(set(loaded), key=lambda link: link != "/"):
        response = browser.get(address, follow=True)
        response.close()  # files are streamed
        assert response.status_code == 200, address


@pytest.mark.parametrize("path", PAGES)
def test_pages_carry_a_content_security_policy(browser, path):
    policy = browser.get(path)["Content-Security-Policy"]
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))

    assert directives["default-src"] == "'self'"
    assert directives["object-src"] == directives["base-uri"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    assert "script-src" not in directives  # as default-src: this server's, and no inline script
    assert "http" not in policy


def test_docs_start_with_the_document_of_this_server(browser):
    page = Addresses(browser.get("/api/docs/").content.decode())
    start = next(link for link in page.links if "script=" in link)

    script = browser.get(start)

    assert script["Content-Type"].startswith("application/javascript")
    assert 'url: "/api/schema/"' in script.content.decode().replace("\\u002D", "-")


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(find_browser() is None, reason="no Chromium here")
def test_docs_draw_padlocks_where_a_token_is_needed_and_send_it_everywhere(live_server):
    paths = orjson.loads(openapi_document("json"))["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    closed = sum(bool(operation["security"]) for operation in operations)
    by_tag = Counter(operation["tags"][0] for operation in operations)

    with open_browser(find_browser(), width=1280, height=900) as desk:
        desk.open(f"{live_server.url}/api/docs/")
        desk.evaluate(waiting_for("document.querySelector('.opblock-tag')"))
        padlocks, paths_shown = 0, []
        for tag, number in by_tag.items():
            show = f"ui.layoutActions.show(['operations-tag', {tag!r}], %s), 1"
            desk.evaluate(show % "true")
            desk.evaluate(waiting_for(f"document.querySelectorAll('.opblock').length == {number}"))
            padlocks += desk.evaluate(
                "document.querySelectorAll('.opblock .authorization__btn').length"
            )
            paths_shown.append(
                desk.evaluate("document.querySelector('.opblock-summary-path').innerText")
            )
            desk.evaluate(show % "false")
            desk.evaluate(waiting_for("document.querySelectorAll('.opblock').length == 0"))
        desk.evaluate(
            "ui.authActions.authorize("
            "{bearer: {name: 'bearer', value: 'a.b.c', schema: {type: 'http'}}}), 1"
        )
        sent = "ui.getConfigs().requestInterceptor({url: %r, headers: {}}).headers.Authorization"
        to_us, to_others = (
            desk.evaluate(sent % url)
            for url in (f"{live_server.url}/api/events/", "https://elsewhere.example/")
        )

    assert padlocks == closed
    assert paths_shown[0].replace("\u200b", "") == "/api/register/"
    assert (to_us, to_others) == ("Bearer a.b.c", None)


def test_redoc_requests_nothing_from_its_vendor(browser):
    page = Addresses(browser.get("/api/redoc/").content.decode())
    scripts = [link for link in page.links if link.endswith(".js")]

    assert [script.rpartition("/")[2] for script in scripts] == [
        "redoc.standalone.js",
        "redoc.js",
    ]


def test_landing_points_to_everything(browser):
    page = Addresses(browser.get("/developers/").content.decode())

    assert {"/api/docs/", "/api/redoc/", "/api/schema/", "/admin/", "/problems/"} <= set(page.links)


def test_landing_shows_commands_for_the_requested_host(browser):
    page = browser.get("/developers/", headers={"Host": "localhost:8000"}).content.decode()

    assert "curl http://localhost:8000/api/register/" in page


def test_problem_pages_show_the_answer_and_lead_to_the_others(browser):
    listed = Addresses(browser.get("/problems/").content.decode()).links

    for error in all_errors():
        address = f"/problems/{error.slug()}"
        page = browser.get(address).content.decode()
        assert address in listed
        assert escape(f'"type": "{address}"') in page
        assert "/problems/" in Addresses(page).links


@pytest.mark.parametrize("path", ["/problems", "/problems/event-full/"])
def test_problem_pages_respond_with_and_without_a_slash(browser, path):
    assert browser.get(path).status_code == 200


def test_an_unknown_problem_has_no_page(browser):
    assert browser.get("/problems/no-such-thing").status_code == 404
