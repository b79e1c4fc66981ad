"""The previews of mails in the admin."""

import re

import pytest
from django.test import Client

from accounts.notifications import kinds
from accounts.tests.factories import grant

pytestmark = pytest.mark.django_db

LIST = "/admin/mails/"


@pytest.fixture
def staff(sam) -> Client:
    client = Client()
    client.force_login(grant(sam, "accounts.view_notification"))
    return client


def names() -> list[str]:
    return sorted(kind.name for kind in kinds() if kind.mail)


def test_every_mail_has_a_preview(staff):
    listed = re.findall(rf'href="{LIST}(\w+)/"', staff.get(LIST).content.decode())

    assert listed == names()
    assert len(listed) >= 14
    assert f'href="{LIST}"' in staff.get("/admin/").content.decode()


@pytest.mark.parametrize("name", names())
def test_preview_has_text_html_and_attachments(staff, name):
    page, html = staff.get(f"{LIST}{name}/"), staff.get(f"{LIST}{name}/html/")

    shown, mail = page.content.decode(), html.content.decode()
    assert (page.status_code, html.status_code) == (200, 200)
    assert f'src="{LIST}{name}/html/"' in shown
    assert page.context["row"].subject
    assert page.context["row"].body
    assert "<h1>" in mail
    assert "cid:" not in mail
    for part in (page.context["row"].subject, page.context["row"].body, page.context["text"]):
        assert "{" not in part
        assert "None" not in part
        assert "  " not in part.replace("\n  ", "\n")
    assert "\n\n\n\n" not in page.context["text"]


def test_preview_can_be_framed_by_the_admin_only(staff):
    html = staff.get(f"{LIST}password_reset/html/")

    assert html["X-Frame-Options"] == "SAMEORIGIN"
    policy = html["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "default-src 'self'" in policy
    assert "'unsafe-inline'" not in staff.get(LIST)["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["", "password_reset/", "password_reset/html/"])
def test_previews_require_staff(ana, anyone, path):
    stranger = Client()
    stranger.force_login(ana)

    for client in (anyone, stranger):
        response = client.get(f"{LIST}{path}")
        assert (response.status_code, response["Location"].partition("?")[0]) == (
            302,
            "/admin/login/",
        )


@pytest.mark.parametrize("path", ["", "password_reset/", "password_reset/html/"])
def test_previews_require_the_permission_to_view_notifications(sam, path):
    client = Client()
    client.force_login(sam)

    assert client.get(f"{LIST}{path}").status_code == 403
    assert f'href="{LIST}"' not in client.get("/admin/").content.decode()


@pytest.mark.parametrize("path", ["nonsense/", "nonsense/html/"])
def test_unknown_preview_is_not_found(staff, path):
    assert staff.get(f"{LIST}{path}").status_code == 404
