"""Headers for browsers and caches, and settings that production refuses."""

import re

import pytest
from django.core import mail
from django.test import Client
from django.test.utils import override_settings
from rest_framework.test import APIClient

from accounts.notifications.mailer import Mailer
from accounts.tests.factories import PASSWORD, UserFactory
from config.tests.browser import Tab, find_browser, open_browser
from config.tests.test_configuration import DATABASE, KEY, manage
from events.models import Event
from registrations.tests.factories import registered
from registrations.tickets import manage_token

PAGES = ["/", "/developers/", "/api/docs/", "/api/redoc/", "/problems/", "/admin/login/"]
HTTPS = {
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 31536000,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
    "SECURE_HSTS_PRELOAD": True,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
}
PRODUCTION = {
    "SECRET_KEY": KEY,
    "DATABASE_URL": DATABASE,
    "PUBLIC_URL": "https://events.example.org",
    "ALLOWED_HOSTS": "events.example.org",
}


# --- pages and responses in a browser ---


@pytest.mark.parametrize("path", PAGES)
def test_pages_have_security_headers(db, path):
    response = Client().get(path)

    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert "'unsafe-eval'" not in response["Content-Security-Policy"]
    assert re.search("script-src[^;]*unsafe", response["Content-Security-Policy"]) is None


@pytest.mark.parametrize(
    "path",
    [
        "/api/events/",
        "/api/nothing/",
        "/api/me/",
        "/api/schema/",
        "/api/events/?timezone=Nowhere",  # refused before any view
    ],
)
def test_api_responses_are_inert_in_a_browser(db, anyone, path):
    response = anyone.get(path)

    assert response["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert "Set-Cookie" not in response


def test_hsts_lasts_a_year(db, settings):
    with override_settings(**HTTPS):
        secure = Client().get("/", secure=True)
        plain = Client().get("/")

    assert secure["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert (plain.status_code, plain["Location"]) == (301, "https://testserver/")


def test_cookies_of_the_admin_stay_with_it(db):
    root = UserFactory(username="root", is_staff=True, is_superuser=True)
    with override_settings(**HTTPS):
        client = Client()
        client.get("/admin/login/", secure=True)
        client.post("/admin/login/", {"username": root.email, "password": PASSWORD}, secure=True)

    for name in ("sessionid", "csrftoken"):
        cookie = client.cookies[name]
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")


def test_a_form_of_another_site_is_refused(db):
    root = UserFactory(username="root", is_staff=True, is_superuser=True)
    client = Client(enforce_csrf_checks=True)
    client.force_login(root)

    assert client.post("/admin/events/category/add/", {"name": "x", "slug": "x"}).status_code == 403


# --- caches ---


def test_personal_responses_are_not_cached(ana, olga, event, signed_in, anyone):
    guests = registered(event)
    own = signed_in(ana).post(f"/api/events/{event.pk}/register/")
    link = f"/api/registrations/{guests.pk}/"
    token = f"?token={manage_token(guests.pk)}"
    responses = [
        own,
        anyone.get(f"{link}{token}"),
        anyone.get(f"{link}ticket.svg{token}"),
        anyone.post("/api/login/", {"email": ana.email, "password": PASSWORD}),
        anyone.post("/api/register/", {"email": "new@example.com", "password": PASSWORD}),
        *(
            signed_in(olga).get(path)
            for path in (
                "/api/me/",
                "/api/me/registrations/",
                "/api/me/events/",
                f"/api/users/{olga.pk}/",
                f"/api/events/{event.pk}/attendees/",
                f"/api/events/{event.pk}/attendees/export/",
                f"/api/events/{event.pk}/ledger/",
                link,
            )
        ),
    ]

    assert [response.status_code // 100 for response in responses] == [2] * len(responses)
    assert {response["Cache-Control"] for response in responses} == {"no-store"}


def test_public_responses_are_cached_and_revalidated(anyone, olga, event, signed_in):
    assert anyone.get("/api/events/")["Cache-Control"] == "no-cache"
    assert signed_in(olga).get("/api/events/")["Cache-Control"] == "private, no-cache"


# --- other origins ---


def preflight(client: APIClient, origin: str):
    return client.options(
        "/api/events/",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        },
    )


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://testserver.evil"])
def test_other_origins_are_not_allowed(db, anyone, origin):
    for response in (
        preflight(anyone, origin),
        anyone.get("/api/events/", headers={"Origin": origin}),
    ):
        assert "Access-Control-Allow-Origin" not in response
        assert "Access-Control-Allow-Credentials" not in response


def test_configured_origin_is_allowed_without_cookies(db, anyone, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *settings.MIDDLEWARE]

    response = preflight(anyone, "https://app.example.org")

    assert response["Access-Control-Allow-Origin"] == "https://app.example.org"
    assert "Access-Control-Allow-Credentials" not in response
    assert "Access-Control-Allow-Origin" not in preflight(anyone, "https://evil.example.com")


# --- the host ---


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.com"},
        {"Host": "localhost:8000@evil.example.com"},
        {"Host": "localhost, evil.example.com"},
        {"Host": "localhost:0"},
        {"Host": "localhost:65536"},
        {"Host": "localhost:" + "9" * 400},
        {"Host": ""},
    ],
)
def test_another_host_is_refused(db, anyone, settings, headers):
    settings.ALLOWED_HOSTS = ["localhost"]

    for path in ("/api/events/", "/", "/admin/login/"):
        assert anyone.get(path, headers=headers).status_code == 400


def test_no_header_of_a_client_gets_into_a_link(anyone, ana, event, settings):
    """Links in mails begin with PUBLIC_URL, even if every host is allowed."""
    settings.ALLOWED_HOSTS = ["*"]
    settings.PUBLIC_URL = "https://events.example.org"
    headers = {
        "Host": "evil.example.com",
        "X-Forwarded-Host": "evil.example.com",
        "Forwarded": "host=evil.example.com",
        "X-Original-URL": "https://evil.example.com/",
    }

    anyone.post("/api/password/reset/", {"email": ana.email}, headers=headers)
    anyone.post(
        f"/api/events/{event.pk}/register/",
        {"name": "Bob", "email": "bob@example.com"},
        headers=headers,
    )
    calendar = anyone.get(f"/api/events/{event.pk}/calendar.ics", headers=headers)
    mails = delivered()

    assert len(mails) >= 2
    assert "events.example.org" in calendar.content.decode()
    for text in [*mails, calendar.content.decode()]:
        assert "evil.example.com" not in text


def delivered() -> list[str]:
    """Every mail that is due, as it goes out."""
    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()
    return [message.message().as_string() for message in mail.outbox]


def test_forwarded_host_is_ignored(anyone, event, settings):
    listed = anyone.get("/api/events/?page_size=1", headers={"X-Forwarded-Host": "evil.example"})

    assert "evil" not in listed.content.decode()


# --- production ---


def test_deployment_check_of_production_is_silent():
    done = manage("check", "--deploy", "--fail-level=WARNING", **PRODUCTION)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("value", ["", "short", " " * 40])
def test_production_has_no_secret_of_its_own(value):
    done = manage("check", **{**PRODUCTION, "SECRET_KEY": value})

    assert done.returncode == 1
    assert re.fullmatch(r"Configuration error: SECRET_KEY must [^\n]+\n", done.stderr)


def test_production_shows_no_debugging_page(anyone, settings, monkeypatch):
    def broken(*args):
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(Event.objects.__class__, "visible_to", broken, raising=False)
    anyone.raise_request_exception = False

    response = anyone.get("/api/events/1/")

    assert settings.DEBUG is False
    assert response.status_code == 500
    assert "hunter2" not in response.content.decode()


# --- a real browser ---


@pytest.fixture
def desk(live_server):
    with open_browser(find_browser(), width=1280, height=900) as tab:
        yield tab


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(find_browser() is None, reason="no Chromium here")
def test_docs_and_admin_work_under_their_policy(desk: Tab, live_server):
    """One test for all pages: a browser takes two seconds to start."""
    root = UserFactory(username="root", is_staff=True, is_superuser=True)

    desk.open(f"{live_server.url}/api/docs/")
    desk.evaluate(waiting_for("document.querySelectorAll('.opblock-tag').length > 10"))
    desk.open(f"{live_server.url}/api/redoc/#tag/API-keys")
    desk.evaluate(waiting_for("document.querySelectorAll('[data-section-id]').length > 20"))
    # While one scrolls to a link, its address becomes that of the page.
    desk.evaluate(
        "(link => (link.focus(), history.replaceState(null, '', link.hash), 1))"
        "(document.querySelector('a[href$=createWebhook]'))"
    )
    desk.press("Enter", loads=True)
    desk.evaluate(waiting_for("document.querySelectorAll('[data-section-id]').length > 20"))
    assert desk.evaluate("document.querySelector('[id$=createWebhook] table') !== null")
    assert desk.evaluate("document.querySelector('[id$=createApiKey] table') === null")

    desk.open(f"{live_server.url}/admin/")
    desk.evaluate(f"document.querySelector('#id_username').value = '{root.email}'")
    desk.evaluate(f"document.querySelector('#id_password').value = '{PASSWORD}'")
    desk.tab_to("password")
    desk.press("Enter", loads=True)
    assert "Event administration" in desk.text
    for page in (
        "events/event/", "events/event/add/", "accounts/user/", f"accounts/user/{root.pk}/change/",
        "registrations/registration/add/", "accounts/auditentry/",
    ):  # fmt: skip
        desk.open(f"{live_server.url}/admin/{page}")
        assert "Event administration" in desk.text

    assert desk.complaints == []


def waiting_for(condition: str) -> str:
    """A script that ends once the condition holds, or fails after 60 s."""
    return f"""new Promise((done, failed) => {{
        const since = Date.now();
        const look = () => ({condition}) ? done(true)
            : Date.now() - since > 60000 ? failed('never: ' + document.body.innerText.slice(0, 200))
            : setTimeout(look, 50);
        look();
    }})"""
