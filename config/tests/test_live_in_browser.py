"""Live seat counts and Swagger's try-out in a real browser, from the pages of the docs."""

from collections.abc import Iterator

import pytest

from events.tests.factories import EventFactory
from registrations.tests.factories import registered

from .browser import find_browser, open_browser
from .server import ServerProcess
from .test_headers import waiting_for

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(find_browser() is None, reason="no Chromium here"),
    pytest.mark.xdist_group("server"),
]

WATCH = """
    window.messages = [];
    const source = new EventSource("/api/events/%d/stream");
    source.onmessage = (message) => window.messages.push(JSON.parse(message.data));
"""
LIST = """[...document.querySelectorAll(".opblock-get")].find((block) =>
    block.querySelector("[data-path]").dataset.path === "/api/events/")"""
# Swagger UI ends a try-out with an error if it has not read the references of the operation yet.
RESOLVED = "ui.getState().getIn(['spec', 'resolvedSubtrees', 'paths', '/api/events/', 'get'])"
STATUS = f'{LIST}.querySelector(".live-responses-table tbody .response-col_status")'


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    server = ServerProcess(WEB_CONCURRENCY="1")
    yield server
    server.stop()


def test_the_docs_watch_seats_and_try_requests_out(server):
    """One test for both: a browser takes two seconds to start."""
    event = EventFactory(max_capacity=2)

    with open_browser(find_browser(), width=1280, height=900) as tab:
        tab.open(f"http://localhost:{server.port}/api/docs/")
        tab.evaluate(WATCH % event.pk)
        tab.evaluate(waiting_for("window.messages.length === 1"))
        registered(event)
        tab.evaluate(waiting_for("window.messages.length === 2"))
        taken = tab.evaluate("window.messages.map((message) => message.registered_count)")

        tab.evaluate(waiting_for("document.querySelector('.opblock-tag')"))
        tab.evaluate("ui.layoutActions.show(['operations-tag', 'events'], true), 1")
        tab.evaluate(waiting_for(LIST))
        tab.evaluate(f'{LIST}.querySelector(".opblock-summary-control").click()')
        tab.evaluate(waiting_for(RESOLVED))
        tab.evaluate(waiting_for(f'{LIST}.querySelector("button.execute")'))
        tab.evaluate(f'{LIST}.querySelector("button.execute").click()')
        tab.evaluate(waiting_for(STATUS))
        status = tab.evaluate(f"{STATUS}.innerText.trim()")

        assert (taken, status) == ([0, 1], "200")
        assert tab.complaints == []
