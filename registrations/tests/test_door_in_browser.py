"""The check-in page in a real browser: camera, typed codes, names, parties, and no network."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

import pytest
import segno
from django.utils import timezone

from config.tests.browser import Tab, find_browser, open_browser, views
from config.tests.relay import Relay, relay_to
from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import Registration, Scan
from registrations.services import (
    check_in,
    create_door_link,
    undo_check_in,
    withdraw_door_link,
)
from registrations.tests.factories import registered

from .test_pages_in_browser import FAULTS

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(find_browser() is None, reason="no Chromium here"),
]

PATIENCE_SECONDS = 60
WIDTH, HEIGHT = 320, 240
# All that the caches of the page contain, as one text.
KEPT = """(async () => {
  const all = await Promise.all((await caches.keys()).map(async (name) => {
    const cache = await caches.open(name);
    return Promise.all((await cache.keys()).map(async (key) =>
      key.url + await (await cache.match(key, {ignoreVary: true})).text()));
  }));
  return all.flat().join("");
})()"""


def write_video(path: Path, text: str) -> None:
    """A video of one frame (YUV4MPEG2) with the QR symbol of `text`, for the fake camera."""
    symbol = [list(row) for row in segno.make_qr(text, error="m").matrix_iter(scale=6, border=4)]
    left, top = (WIDTH - len(symbol)) // 2, (HEIGHT - len(symbol)) // 2
    light = bytearray(b"\xeb" * (WIDTH * HEIGHT))
    for y, row in enumerate(symbol):
        for x, is_dark in enumerate(row):
            light[(top + y) * WIDTH + left + x] = 0x10 if is_dark else 0xEB
    grey = b"\x80" * (WIDTH * HEIGHT // 2)
    head = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(head + (b"FRAME\n" + bytes(light) + grey) * 2)


def wait_for(tab: Tab, condition: str) -> None:
    """Until a condition in the page is true."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not tab.evaluate(condition):
        assert monotonic() < deadline, f"{condition}: {tab.text}"
        sleep(0.05)


def wait_for_result(tab: Tab, text: str) -> None:
    wait_for(tab, f"document.getElementById('result').innerText.includes({text!r})")


def click(tab: Tab, label: str) -> None:
    tab.tab_to(label)
    tab.press("Enter")


def type_code(tab: Tab, code: str) -> None:
    tab.tab_to("ticket_code")
    tab.type(code)
    tab.press("Enter")


def lose(tab: Tab, network: Relay) -> None:
    """The network ends once the page knows the responses to all of its scans."""
    wait_for(tab, "localStorage.length === 0")
    network.is_on = False


def return_to(tab: Tab, network: Relay) -> None:
    """The network is back, and the browser says so to the page."""
    network.is_on = True
    tab.evaluate("window.dispatchEvent(new Event('online'))")


def wait_for_admitted(*expected: tuple[Registration, int]) -> None:
    """Until the server has admitted these numbers of people."""
    deadline = monotonic() + PATIENCE_SECONDS
    while [admitted(registration) for registration, _ in expected] != [n for _, n in expected]:
        assert monotonic() < deadline
        sleep(0.05)


def admitted(registration: Registration) -> int:
    registration.refresh_from_db()
    return registration.admitted_count


@pytest.fixture
def event(olga):
    return EventFactory(organizer=olga, name="Night of science", max_party_size=6, max_capacity=20)


@pytest.fixture
def network(live_server) -> Iterator[Relay]:
    with relay_to(urlsplit(live_server.url).port) as relay:
        yield relay


@pytest.fixture
def door(network, settings, event, olga):
    """The link and its address."""
    settings.PUBLIC_URL = f"http://localhost:{network.port}"
    return create_door_link(event, name="Main entrance", by=olga)


@pytest.fixture
def phone(event, tmp_path) -> Iterator[Tab]:
    """A phone whose camera sees the ticket of Ann."""
    registered(event, name="Ann Lee", email="ann@example.com")
    write_video(tmp_path / "ann.y4m", Registration.objects.get(name="Ann Lee").ticket_code)
    options = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'ann.y4m'}",
    )
    with open_browser(find_browser(), *options, width=390) as tab:
        yield tab


@pytest.mark.parametrize(
    ("width", "scheme"),
    [view[:2] for view in views((390, "light", True)) if view[2]],
)
def test_a_volunteer_works_at_the_door(phone, network, door, event, width, scheme):
    """One test for the whole shift, with the keyboard: a browser takes two seconds to start."""
    phone.resize(width, 900)
    phone.prefer(scheme)
    link, address = door
    ann = Registration.objects.get()
    bob, party = registered(event, name="Bob Ray"), registered(event, name="Zoë Roe", party_size=3)
    late = registered(event, name="Late Guest")
    group = registered(event, name="Group", party_size=2)

    # The camera
    phone.open(address)
    assert [*phone.evaluate(FAULTS), phone.overflow] == [0]
    wait_for(phone, "document.getElementById('expected').textContent === '8'")
    click(phone, "Scan with the camera")
    wait_for_result(phone, "Welcome!")
    wait_for(phone, "document.getElementById('admitted').textContent === '1'")
    click(phone, "Stop the camera")
    assert "Ann Lee" in phone.text
    wait_for_admitted((ann, 1))

    # Undo, and a typed code
    click(phone, "Undo the check-in of Ann Lee")
    wait_for(phone, "document.getElementById('admitted').textContent === '0'")
    wait_for_admitted((ann, 0))
    assert phone.evaluate("door.ahead") == 0  # the clock of the phone is right
    type_code(phone, ann.ticket_code.lower())
    wait_for_result(phone, "Welcome!")
    type_code(phone, ann.ticket_code)
    wait_for_result(phone, "Already in since")
    type_code(phone, "nonsense")
    wait_for_result(phone, "No registration has this ticket code.")

    # A party by its name, without accents
    phone.tab_to("q")
    phone.type("zoe")
    wait_for(phone, "document.getElementById('matches').textContent === '1 found'")
    click(phone, "Check in Zoë Roe")
    click(phone, "Check in 2 of Zoë Roe")
    wait_for_result(phone, "2 of 3 are in.")
    wait_for_admitted((party, 2))

    # Without a network: known tickets, and new ones
    lose(phone, network)
    new = registered(event, name="New Guest")
    type_code(phone, bob.ticket_code)
    wait_for_result(phone, "Bob Ray")
    wait_for(phone, "document.getElementById('connection').innerText.includes('1 scan is kept')")
    type_code(phone, new.ticket_code)
    wait_for(phone, "document.getElementById('connection').innerText.includes('2 scans are kept')")
    assert [admitted(bob), admitted(new)] == [0, 0]
    return_to(phone, network)
    wait_for(phone, "document.getElementById('connection').hidden")
    wait_for_admitted((bob, 1), (new, 1))

    # A reload without a network, between two scans of a party
    wait_for(phone, "!document.getElementById('kept').hidden")
    wait_for(phone, "document.getElementById('admitted').textContent === '5'")
    lose(phone, network)
    Event.objects.update(name="Not on this phone yet")
    click(phone, "Check in Zoë Roe")
    wait_for_result(phone, "3 of 3 are in.")
    phone.open(address)
    wait_for(phone, "document.getElementById('connection').innerText.includes('1 scan is kept')")
    assert "Night of science" in phone.text
    assert phone.evaluate("document.getElementById('admitted').textContent") == "6"
    type_code(phone, group.ticket_code)
    click(phone, "Check in 1 of Group")
    phone.open(address)
    wait_for(phone, "document.getElementById('connection').innerText.includes('2 scans are kept')")
    assert phone.evaluate("document.getElementById('admitted').textContent") == "7"
    assert [admitted(party), admitted(group)] == [2, 0]
    return_to(phone, network)
    wait_for_admitted((party, 3), (group, 1))
    assert Scan.objects.filter(registration__in=[party, group]).count() == 3

    # The end of the link
    assert ann.ticket_code not in phone.evaluate(KEPT)
    withdraw_door_link(link)
    type_code(phone, late.ticket_code)
    wait_for(phone, "document.getElementById('connection').innerText.includes('has ended')")
    assert admitted(late) == 0
    wait_for(phone, "caches.keys().then(names => !names.length)")
    phone.open(address)
    assert "This link has ended" in phone.text
    wait_for(phone, "navigator.serviceWorker.getRegistrations().then(all => !all.length)")
    assert "@example.com" not in phone.evaluate("document.documentElement.outerHTML")
    expected = ("net::ERR_", "404")
    assert [line for line in phone.complaints if not any(each in line for each in expected)] == []


@pytest.mark.parametrize(
    ("width", "scheme"),
    [view[:2] for view in views((1280, "dark", False)) if not view[2]],
)
def test_a_volunteer_works_without_scripts(network, door, event, width, scheme):
    _, address = door
    ann, party = registered(event, name="Ann Lee"), registered(event, name="Zoë", party_size=3)

    with open_browser(find_browser(), width=width, height=900) as tab:
        tab.prefer(scheme)
        tab.switch_scripts(on=False)

        def submit(label: str, expected: str) -> None:
            tab.tab_to(label)
            tab.press("Enter", loads=True)
            assert expected in tab.text
            assert [*tab.evaluate(FAULTS), tab.overflow] == [0]

        def submit_code(code: str, expected: str) -> None:
            tab.tab_to("ticket_code")
            tab.type(code)
            submit("Check in", expected)

        tab.open(address)
        submit_code(ann.ticket_code, "Welcome!")
        submit("Undo the check-in of Ann Lee", "The check-in is undone.")
        network.is_on = False
        tab.tab_to("ticket_code")
        tab.type(ann.ticket_code)
        tab.press("Enter", loads=True)
        network.is_on = True
        tab.open(address)
        submit_code(ann.ticket_code, "Welcome!")
        submit_code("nonsense", "No registration has this ticket code.")
        tab.tab_to("q")
        tab.type("zoe")
        submit("Find", "1 found")
        tab.tab_to("count")
        tab.evaluate("document.activeElement.select()")
        tab.type("2")
        submit("Check in Zoë", "2 of 3 are in.")

    assert [admitted(ann), admitted(party)] == [1, 2]


# What a camera passes on of the looks at two tickets, with enough looks at nothing before the end.
SEEN = """(() => {
  const passedOn = [];
  const camera = new door.Camera({onCode: (text) => passedOn.push(text)});
  camera.forget();
  for (const text of ["A", "A", "", "", "A", "B", "B", "A", ...Array(30).fill(""), "A"])
    camera.saw(text);
  return passedOn.join("");
})()"""
# `door.ahead` after responses to a phone that is right, a minute late twice, and right again.
CLOCKS = """(() => {
  const second = Math.floor(Date.now() / 1000) * 1000;
  return [[0, 1000, 1010], [-60000, 1500, 1505], [-60000, 1100, 1900], [0, 2100, 2110]].map(
    ([late, sentAt, receivedAt]) => {
      const date = Math.floor((second + receivedAt) / 1000) * 1000;
      door.compareClocks(date, second + late + sentAt, second + late + receivedAt);
      return door.ahead;
    },
  );
})()"""


def test_scans_and_undos_keep_their_order(phone, door, event, olga):
    """A ticket in view is scanned once, the clock does not jump, and a later scan is shown."""
    _, address = door
    ann = Registration.objects.get()
    phone.open(address)
    type_code(phone, ann.ticket_code)
    wait_for_result(phone, "Welcome!")
    wait_for_admitted((ann, 1))
    check_in(event, ann.ticket_code, by=olga, at=timezone.now() + timedelta(minutes=1))

    click(phone, "Undo the check-in of Ann Lee")

    wait_for_result(phone, "Still in: the ticket was scanned again.")
    wait_for(phone, "document.getElementById('admitted').textContent === '1'")
    assert phone.evaluate(SEEN) == "ABAA"
    assert phone.evaluate("door.ahead") == 0
    assert phone.evaluate(CLOCKS) == [0, 59495, 59495, 900]


def test_a_phone_keeps_what_it_needs_and_no_more(phone, network, door, event, olga):
    link, address = door
    ann, bob = Registration.objects.get(), registered(event, name="Bob Ray")
    page = urlsplit(address).path
    stored = "JSON.stringify({...localStorage})"
    expired = {"expires": "2020-01-01T00:00:00Z", "scans": [{"ticket_code": "OLD"}]}
    phone.open(address)
    wait_for(phone, "!document.getElementById('kept').hidden")

    # The page that runs is older than that of the server, and names other files
    phone.evaluate("document.querySelectorAll('script[src]').forEach(each => each.remove())")
    phone.evaluate(f"new door.Store({page!r}).keepPage('/door/worker.js')")
    lose(phone, network)
    phone.open(address)
    wait_for(phone, "document.getElementById('connection').innerText.includes('No network')")

    # An undo of another phone, after a scan that waits here
    type_code(phone, bob.ticket_code)
    wait_for_result(phone, "Welcome!")
    check_in(event, bob.ticket_code, by=olga)
    undo_check_in(event, bob.ticket_code, by=olga)
    return_to(phone, network)
    wait_for_result(phone, "The check-in was undone meanwhile.")
    assert admitted(bob) == 0

    # A clock that is three days ahead
    fast = phone.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source="(now => { Date.now = () => now() + 72 * 3600 * 1000; })(Date.now)",
    )
    phone.open(address)
    wait_for(phone, "!document.getElementById('kept').hidden")
    lose(phone, network)
    phone.open(address)
    wait_for(phone, "document.getElementById('connection').innerText.includes('No network')")
    assert phone.evaluate("document.getElementById('expected').textContent") == "2"
    assert phone.evaluate("Math.abs(door.ahead / 3600 / 1000 + 72) < 1")
    phone.call("Page.removeScriptToEvaluateOnNewDocument", **fast)
    network.is_on = True
    phone.open(address)
    wait_for(phone, "!document.getElementById('kept').hidden")

    # A list that the server confirmed three days ago
    lose(phone, network)
    read = "document.getElementById('door').dataset.list + '?read'"
    three_days_ago = "{readAt: Date.now() - 72 * 3600 * 1000}"
    phone.evaluate(f"new door.Store({page!r}).keep({read}, {three_days_ago})")
    phone.open(address)
    wait_for(phone, f"{KEPT}.then(text => !text.includes('Bob Ray'))")
    phone.open(address)
    wait_for(phone, "document.getElementById('connection').innerText.includes('No network')")
    phone.tab_to("q")
    phone.type("bob")
    assert "Bob Ray" not in phone.text
    return_to(phone, network)
    wait_for(phone, "document.getElementById('people').innerText.includes('Bob Ray')")
    phone.open(address)
    wait_for(phone, "!document.getElementById('kept').hidden")

    # A link that ends before the scans are sent, and the next one of the event
    lose(phone, network)
    type_code(phone, ann.ticket_code)
    wait_for_result(phone, "Welcome!")
    assert str(ann.pk) in phone.evaluate(stored)
    assert ann.ticket_code not in phone.evaluate(stored)
    withdraw_door_link(link)
    return_to(phone, network)
    wait_for(
        phone, "document.getElementById('connection').innerText.includes('1 scan is not sent')"
    )
    _, next_address = create_door_link(event, name="Another", by=olga)
    phone.open(next_address)
    wait_for_admitted((ann, 1))
    wait_for(phone, "localStorage.length === 0")

    # Scans of an event that no link can send any more
    phone.evaluate(f"localStorage.setItem('door:event:0', JSON.stringify({expired}))")
    phone.open(address)
    assert "This link has ended" in phone.text
    wait_for(phone, "localStorage.length === 0")
