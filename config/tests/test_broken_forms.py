"""Forms that arrive broken at the pages for people: a page that says so, and no traceback."""

from urllib.parse import urlsplit

import pytest
from django.test import Client

from accounts.links import confirmation_link, reset_link
from events.links import invitation_link, page_path
from events.services.team import invite
from events.tests.factories import EventFactory
from registrations.services import create_door_link
from registrations.tests.factories import registered
from registrations.tickets import manage_link

FORM = "multipart/form-data; boundary=x"
URLENCODED = "application/x-www-form-urlencoded"
PART = b'--x\r\nContent-Disposition: form-data; name="f%d"; filename="a"\r\n%s\r\na\r\n'
BROKEN = [
    ("multipart/form-data", b"x"),
    ("multipart/form-data; boundary=", b"x"),
    ("multipart/form-data; boundary=\u00e9", b"x"),
    (FORM, b"".join(PART % (n, b"") for n in range(200)) + b"--x--"),
    (FORM, PART % (1, b"Content-Transfer-Encoding: base64\r\n") + b"!\xff!!\r\n--x--"),
    (f"{URLENCODED}; charset=utf-32", b"token=a"),
    (URLENCODED, b"&".join(b"a%d=1" % n for n in range(2000))),
]
# They can be read, but have no token.
STRANGE = [
    (FORM, b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n\xff\x00\r\n--x--'),
    (FORM, b"--x\r\nContent-Disposition: form-data; x*=utf-8''a; x*0=b\r\n\r\na\r\n--x--"),
    (URLENCODED, b"token=%ED%A0%80%00&name=%FF" + b"a" * 100_000),
    ("application/json", b"[" * 10_000),
    ("text/plain", b"\x00"),
]


@pytest.fixture
def paths(db, olga) -> list[str]:
    event = EventFactory(organizer=olga)
    _, door = create_door_link(event, name="Main", by=olga)
    invitation = invite(event, email="new@example.com", role="door", by=olga)
    links = [
        door,
        manage_link(registered(event).pk),
        invitation_link(invitation.pk),
        confirmation_link(olga),
        reset_link(olga),
    ]
    pages = ["/forgotten-password/", "/unsubscribe/", "/registrations/confirm/", page_path(event)]
    return [*pages, *(urlsplit(link).path for link in links)]


@pytest.mark.parametrize(("content_type", "body"), BROKEN)
def test_a_form_that_cannot_be_read_gets_a_page(paths, caplog, content_type, body):
    for path in paths:
        response = Client().post(path, body, content_type=content_type)

        assert response.status_code == 400, path
        assert "The form" in response.content.decode(), path
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(("content_type", "body"), STRANGE)
def test_a_form_with_strange_content_gets_a_page(paths, caplog, content_type, body):
    for path in paths:
        response = Client().post(path, body, content_type=content_type)

        assert response.status_code in {400, 404}, path
        assert response["Content-Type"].startswith("text/html"), path
    assert [record for record in caplog.records if record.exc_info] == []
