"""The public pages in a real browser, with the keyboard only."""

import re

import pytest

from config.api.http import one_use_forms
from config.tests.browser import find_browser, open_browser, views
from events.services import edit_event
from events.tests.factories import CategoryFactory, EventFactory
from registrations.models import Registration
from registrations.tests.factories import registered
from registrations.tests.mails import due_mails

from .test_page_questions import DIET, DINNER, asked

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(find_browser() is None, reason="no Chromium here"),
]

# What WCAG 2.2 asks of every page and a script can check.
FAULTS = """(() => {
  const faults = [];
  const text = (e) => (e.getAttribute("aria-label") || e.textContent || e.alt || "").trim();
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size < ids.length) faults.push("an id occurs twice");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (!document.documentElement.lang) faults.push("no language");
  if (!document.querySelector("main")) faults.push("no main");
  for (const e of document.querySelectorAll("a[href], button"))
    if (!text(e)) faults.push(`no name: ${e.outerHTML}`);
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!e.labels.length) faults.push(`no label: ${e.outerHTML}`);
  for (const e of document.querySelectorAll("img"))
    if (!e.hasAttribute("alt")) faults.push(`no alt: ${e.outerHTML}`);
  let last = 0;
  for (const e of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const level = Number(e.tagName[1]);
    if (level > last + 1) faults.push(`a level is left out before: ${e.innerText}`);
    last = level;
  }
  const channel = (c) => ((c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const rgba = (color) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (style.backgroundImage !== "none") return null;
      const color = rgba(style.backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  for (const e of document.querySelectorAll("main *, footer *, header *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const under = own && e.checkVisibility() && ground(e);
    if (!under) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(under)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${e.innerText.slice(0, 40)}`);
  }
  return faults;
})()"""


@pytest.fixture
def jazz(olga):
    event = EventFactory(
        organizer=olga,
        name="Donaudampfschifffahrtselektrizitätenhauptbetriebswerk und Jazz",
        location="Quasimodo, Kantstraße 12a, Berlin",
        description="# Program\n\n**Loud** and late: https://example.org/" + "long" * 30,
        category=CategoryFactory(slug="music", name="Music"),
        max_capacity=2,
        max_party_size=3,
    )
    asked(event, DINNER, DIET)
    return event


@pytest.mark.parametrize(
    ("width", "scheme", "scripts"),
    views((390, "dark", True), (1280, "light", False)),
)
def test_a_guest_finds_an_event_registers_changes_cancels_and_returns(
    live_server, settings, monkeypatch, jazz, width, scheme, scripts
):
    """One test for the whole flow: a browser takes two seconds to start.

    Each page is checked in both schemes, and in 320 pixels too.
    """
    monkeypatch.setattr(one_use_forms, "MIN_SECONDS", 0)
    settings.PUBLIC_URL = live_server.url

    with open_browser(find_browser(), width=width, height=900) as tab:
        tab.prefer(scheme)
        tab.switch_scripts(on=scripts)
        seen = []

        def check() -> None:
            for size, shade in ((320, "light"), (320, "dark"), (width, scheme)):
                tab.resize(size, 900)
                tab.prefer(shade)
                faults = [*tab.evaluate(FAULTS), *(["too wide"] if tab.overflow else [])]
                seen.append((tab.evaluate("location.pathname"), faults))

        tab.open(f"{live_server.url}/")
        check()
        tab.tab_to("search")
        tab.type("jazz")
        tab.press("Enter", loads=True)
        check()
        tab.tab_to(jazz.name)
        tab.press("Enter", loads=True)
        check()
        assert "2 of 2 seats are free" in tab.text
        _fill(tab, "Bob", "bob@")
        # The browser's own check would stop it.
        tab.evaluate("document.querySelector('#register form').noValidate = true")
        tab.press("Enter", loads=True)
        check()
        assert tab.evaluate("document.getElementById('name').value") == "Bob"
        _fill(tab, "Bob Ray", "bob@example.com")
        assert tab.evaluate("document.getElementById('answers.diet').hidden") is scripts
        _answer(tab)
        check()
        tab.press("Enter", loads=True)
        check()
        assert "You are registered." in tab.text
        mails = due_mails()
        tab.open(re.search(r"http://\S+/registrations/\S+", mails[0].text)[0])
        assert tab.evaluate("document.querySelector('.ticket').naturalWidth") > 0
        assert tab.evaluate("document.getElementById('answers.diet').hidden") is False
        tab.tab_to("guests.0.name")
        tab.evaluate("document.activeElement.select()")
        tab.type("Ann Lee")
        tab.tab_to("save")
        tab.press("Enter", loads=True)
        check()
        assert "Your changes are saved." in tab.text
        [changed] = Registration.objects.all()
        tab.tab_to("I cannot come")
        tab.press("Enter")
        tab.tab_to("cancel")
        tab.press("Enter", loads=True)
        check()
        tab.tab_to("Register again")
        tab.press("Enter", loads=True)
        _fill(tab, "Bob", "bob@example.com")
        _answer(tab)
        tab.press("Enter", loads=True)
        assert "You have a seat." in tab.text

        assert [faults for _, faults in seen] == [[]] * len(seen), seen
        # The server's refusal of the form is an error to the log of the browser.
        assert [each for each in tab.complaints if "400 (Bad Request)" not in each] == []
        assert tab.call("Network.getCookies")["cookies"] == []
    assert changed.answers == {"dinner": True, "diet": "vegan"}
    assert [guest["name"] for guest in changed.guests] == ["Ann Lee"]
    statuses = Registration.objects.order_by("registered_at").values_list("status", flat=True)
    assert list(statuses) == ["cancelled", "confirmed"]
    live = Registration.objects.get(status="confirmed")
    assert live.answers == {"dinner": True, "diet": "vegan"}
    assert (live.party_size, live.guests[0]["name"]) == (2, "Ann")
    assert {f"{live_server.url}/e/{jazz.pk}-" in mail.text for mail in [*mails, *due_mails()]} == {
        True
    }


def _fill(tab, name: str, email: str) -> None:
    for field, value in (("name", name), ("email", email)):
        tab.tab_to(field)
        tab.evaluate("document.activeElement.select()")
        tab.type(value)


def _answer(tab) -> None:
    for field in ("answers.dinner", "answers.diet"):
        tab.tab_to(field)
        tab.press("Space")
    tab.tab_to("party_size")
    tab.evaluate("document.activeElement.select()")
    tab.type("2")
    tab.tab_to("Name your guests, if you like")
    tab.press("Enter")
    tab.tab_to("guests.0.name")
    tab.type("Ann")


def test_seats_stay_current_and_times_are_the_visitors(live_server, settings, jazz):
    settings.PUBLIC_URL = live_server.url

    with open_browser(find_browser(), width=390) as tab:
        tab.call("Emulation.setTimezoneOverride", timezoneId="Asia/Kolkata")
        tab.open(f"{live_server.url}/e/{jazz.pk}")
        assert "For you:" in tab.text
        assert "Asia/Calcutta" in tab.text or "Asia/Kolkata" in tab.text
        registered(jazz, answers={"dinner": False})
        changed = """new Promise((done) => setInterval(() =>
            document.getElementById("seats").innerText.includes("1 of 2") && done(true), 100))"""

        assert tab.evaluate(changed) is True
        assert tab.complaints == []


def test_seats_that_no_waiting_party_can_take_stay_free(live_server, settings, olga):
    settings.PUBLIC_URL = live_server.url
    event = EventFactory(organizer=olga, max_capacity=8, max_party_size=6, waitlist_enabled=True)
    registered(event, party_size=3)
    registered(event, party_size=6)
    edit_event(event, {"max_capacity": 5})

    with open_browser(find_browser(), width=390) as tab:
        tab.open(f"{live_server.url}/e/{event.pk}")
        assert "2 of 5 seats are free" in tab.text
        registered(event)
        changed = """new Promise((done) => setInterval(() =>
            document.getElementById("seats").innerText.includes("2 of 5") || done(true), 100))"""

        assert tab.evaluate(changed) is True
        assert "1 of 5 seats are free" in tab.text
        assert tab.complaints == []
