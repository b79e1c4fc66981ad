"""Takes the pictures of the README and of the docs from a server with sample data.

`make run` starts one, and `make screenshots` takes the pictures. They need Chromium.
"""

import json
import os
import sys
from base64 import b64decode
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from config.tests.browser import Tab, find_browser, open_browser  # noqa: E402  # needs the path

PICTURES = ROOT / "docs" / "images"
PORT = int(os.environ.get("PORT", "8000"))
SITE = f"http://localhost:{PORT}"
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
STAFF = ("admin@example.com", "admin-password-2027")
ORGANIZER = ("demo@example.com", "demo-password-2027")
MAX_BYTES = 60_000


def main() -> None:
    browser = find_browser()
    if browser is None:
        sys.exit("Chromium is not installed (Debian: chromium).")
    PICTURES.mkdir(exist_ok=True)
    with open_browser(browser, **DESK) as tab:
        take_admin(tab)
        take_swagger(tab)
        tab.open(f"{SITE}/")
        take(tab, "events")
        page = tab.evaluate("document.querySelector('.tile a').href")
    with open_browser(browser, **PHONE) as tab:
        tab.open(page)
        take(tab, "event")
        take_door(tab)


def take_admin(tab: Tab) -> None:
    tab.open(f"{SITE}/admin/login/?next=/admin/")
    for field, value in zip(("username", "password"), STAFF, strict=True):
        tab.evaluate(f"document.getElementById('id_{field}').focus()")
        tab.type(value)
    tab.press("Enter", loads=True)
    take(tab, "admin")


def take_swagger(tab: Tab) -> None:
    tab.open(f"{SITE}/api/docs/")
    wait_for(tab, ".opblock-tag")
    tab.evaluate("ui.layoutActions.show(['operations-tag', 'events'], true), 1")
    wait_for(tab, ".opblock")
    tab.evaluate("document.querySelectorAll('.opblock-tag-section')[1].scrollIntoView()")
    take(tab, "swagger")


def take_door(tab: Tab) -> None:
    """One person is checked in for the picture, and no longer after it."""
    tab.open(door_address())
    wait_for(tab, "#kept:not([hidden])")
    tab.evaluate("document.getElementById('q').focus()")
    tab.type("a")
    wait_for(tab, "#people button[aria-label^='Check in']")
    tab.evaluate("document.querySelector('#people button').click()")
    wait_for(tab, "#result.ok")
    take(tab, "door")
    tab.evaluate("document.querySelector('#result button').click()")
    wait_for(tab, "#result.wait")


def door_address() -> str:
    """A new door link to the organizer's event with the most registrations."""
    email, password = ORGANIZER
    token = call("POST", "/api/login/", {"email": email, "password": password})["access"]
    events = call("GET", "/api/me/events/?page_size=100", token=token)["results"]
    event = max(events, key=lambda each: each["registered_count"])
    path = f"/api/events/{event['id']}/door-links/"
    return str(call("POST", path, {"name": "Main entrance"}, token=token)["url"])


def call(method: str, path: str, body: Any = None, *, token: str = "") -> Any:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    with closing(HTTPConnection("localhost", PORT)) as connection:
        connection.request(method, path, data, headers)
        return json.load(connection.getresponse())


def wait_for(tab: Tab, selector: str) -> None:
    tab.evaluate(
        "new Promise(done => {"
        f"const look = () => document.querySelector({selector!r}) ? done() : setTimeout(look, 100);"
        "look(); })"
    )


def take(tab: Tab, name: str) -> None:
    """The window as WebP of the best quality that is small enough."""
    for quality in (80, 65, 50, 35):
        answer = tab.call("Page.captureScreenshot", format="webp", quality=quality)
        picture = b64decode(answer["data"])
        if len(picture) <= MAX_BYTES:
            break
    path = PICTURES / f"{name}.webp"
    path.write_bytes(picture)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {len(picture) // 1024} KB\n")


if __name__ == "__main__":
    main()
