"""Takes the pictures of the README from a server with sample data: `make screenshots`.

Start it with `make run` first. The pictures need Chromium.
"""

import os
import sys
from base64 import b64decode
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from config.tests.browser import Tab, find_browser, open_browser  # noqa: E402  # needs the path

PICTURES = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
STAFF = ("admin@example.com", "admin-password-2027")


def main() -> None:
    browser = find_browser()
    if browser is None:
        sys.exit("Chromium is not installed (Debian: chromium).")
    address = f"http://localhost:{os.environ.get('PORT', '8000')}"
    PICTURES.mkdir(exist_ok=True)
    with open_browser(browser, **SIZE) as tab:
        tab.open(f"{address}/admin/login/?next=/admin/events/event/")
        for field, value in zip(("username", "password"), STAFF, strict=True):
            tab.evaluate(f"document.getElementById('id_{field}').focus()")
            tab.type(value)
        tab.press("Enter", loads=True)
        take(tab, "admin")
        tab.open(f"{address}/api/docs/")
        # Swagger UI renders the document meanwhile.
        tab.evaluate("new Promise(done => setTimeout(done, 3000))")
        tab.evaluate("ui.layoutActions.show(['operations-tag', 'events'], true), 1")
        tab.evaluate("document.querySelectorAll('.opblock-tag-section')[1].scrollIntoView()")
        take(tab, "swagger")
        tab.open(f"{address}/")
        take(tab, "events")
        page = tab.evaluate("document.querySelector('.tile a').href")
    with open_browser(browser, **PHONE) as tab:
        tab.open(page)
        take(tab, "event")


def take(tab: Tab, name: str) -> None:
    answer = tab.call("Page.captureScreenshot", format="webp", quality=80)
    path = PICTURES / f"{name}.webp"
    path.write_bytes(b64decode(answer["data"]))
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KB\n")


if __name__ == "__main__":
    main()
