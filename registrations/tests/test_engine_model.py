"""The API against a small model of it, through many random steps."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from events.models import Event
from registrations.models import (
    AddressConfirmation,
    OptionLimit,
    Registration,
    RegistrationCode,
)
from registrations.services.integrity import find_faults
from registrations.tickets import confirmation_token

CLOSED = timezone.now() - timedelta(days=1)
LATER = timezone.now() + timedelta(days=3650)


MODES = ("open", "confirm_address", "approval", "code")
CODE_USES = 2
WINDOWS = 2  # the limit of an option
TABLE = {
    "key": "table", "label": "Table", "type": "choice",
    "options": [{"value": "window", "label": "Window", "limit": WINDOWS},
                {"value": "any", "label": "Any"}],
}  # fmt: skip


@dataclass
class ModelEvent:
    """A model of the API: the lists of seats and of the queue, in order."""

    capacity: int | None
    waitlist: bool
    status: str = "published"
    policy: str = "strict"
    is_closed: bool = False
    seated: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    mode: str = "open"
    pending: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    at_window: set[str] = field(default_factory=set)  # those who chose the option with a limit
    used_code: set[str] = field(default_factory=set)

    @property
    def live(self) -> list[str]:
        return self.seated + self.waiting

    def is_window_full(self) -> bool:
        return len(self.at_window.intersection(self.live)) >= WINDOWS

    def is_too_large(self, size: int) -> bool:
        return self.capacity is not None and size > self.capacity

    def people(self, emails: list[str]) -> int:
        return sum(self.sizes[email] for email in emails)

    def has_room(self, size: int) -> bool:
        return self.capacity is None or self.people(self.seated) + size <= self.capacity

    def blocking(self) -> list[str]:
        """The waitlisted parties that are not larger than the whole capacity."""
        return [
            email
            for email in self.waiting
            if self.capacity is None or self.sizes[email] <= self.capacity
        ]

    def promote(self, *, even_closed: bool = False) -> None:
        if self.status != "published" or (self.is_closed and not even_closed):
            return
        while first := self.next_in():
            self.waiting.remove(first)
            self.seated.append(first)

    def next_in(self) -> str | None:
        """The party that gets free seats next, if there are enough of them."""
        queue = self.blocking()[:1] if self.policy == "strict" else self.waiting
        return next((email for email in queue if self.has_room(self.sizes[email])), None)

    def request(self, size: int) -> str | None:
        """The refusal of a request that waits for the confirmation of its address."""
        return first_that_applies(
            ("event_cancelled", self.status == "cancelled"),
            ("registration_closed", self.is_closed),
            ("party_too_large", self.is_too_large(size)),
        )

    def register(
        self,
        email: str,
        size: int = 1,
        *,
        at_window: bool = False,
        mode: str = "open",
        code: str = "",
    ) -> str:
        """`mode` is what the person has to pass, which is nothing for the organizer's guests."""
        pends, needs_code = mode == "approval", mode == "code"
        refusal = first_that_applies(
            ("event_cancelled", self.status == "cancelled"),
            ("event_not_published", self.status == "draft"),
            ("registration_closed", self.is_closed),
            ("code_required", needs_code and not code),
            ("code_invalid", needs_code and code != "A"),
            ("already_registered", email in self.live + self.pending + self.rejected),
            ("party_too_large", self.is_too_large(size)),
            ("option_full", not pends and at_window and self.is_window_full()),
            ("code_used_up", needs_code and len(self.used_code) >= CODE_USES),
        )
        if refusal is not None:
            return refusal
        status = "pending" if pends else self.placement(size)
        if status is None:
            return "event_full"
        self.sizes[email] = size
        self.answer(email, at_window=at_window)
        self.list_of(status).append(email)
        if needs_code:
            self.used_code.add(email)
        return status

    def placement(self, size: int) -> str | None:
        if (self.policy == "first_fit" or not self.blocking()) and self.has_room(size):
            return "confirmed"
        return "waitlisted" if self.waitlist else None

    def list_of(self, status: str) -> list[str]:
        return {
            "confirmed": self.seated, "waitlisted": self.waiting, "pending": self.pending,
            "rejected": self.rejected,
        }[status]  # fmt: skip

    def answer(self, email: str, *, at_window: bool) -> None:
        self.at_window.discard(email)
        if at_window:
            self.at_window.add(email)

    def change_answer(self, email: str, *, at_window: bool) -> str | None:
        is_taken = at_window and email in self.live and email not in self.at_window
        refusal = first_that_applies(
            ("registration_rejected", email in self.rejected),
            ("option_full", is_taken and self.is_window_full()),
        )
        if refusal is None:
            self.answer(email, at_window=at_window)
        return refusal

    def decide(self, email: str, action: str) -> str | None:
        """`reject` takes a pending registration, `reopen` a rejected one."""
        former, later = ("pending", "rejected") if action == "reject" else ("rejected", "pending")
        if email in self.list_of(later):
            return None
        if email not in self.list_of(former):
            return "not_pending"
        self.list_of(former).remove(email)
        self.list_of(later).append(email)
        return None

    def approve(self, email: str) -> str | None:
        """Free seats first go to the waitlist, also after registration has closed."""
        if email in self.rejected:
            return "not_pending"
        if email in self.seated:
            return None
        before = [*self.seated], [*self.waiting]
        self.promote(even_closed=True)
        if email in self.live:
            return None
        size = self.sizes[email]
        status = self.placement(size)
        refusal = first_that_applies(
            ("event_cancelled", self.status == "cancelled"),
            ("party_too_large", self.is_too_large(size)),
            ("option_full", email in self.at_window and self.is_window_full()),
            ("event_full", status is None),
        )
        if refusal is not None:  # nothing of it remains
            self.seated, self.waiting = before
            return refusal
        self.pending.remove(email)
        self.list_of(str(status)).append(email)
        return None

    def resize(self, email: str, size: int) -> str | None:
        """The code of the refusal, if there is one."""
        growth = size - self.sizes[email]
        if growth == 0:
            return None
        if email in self.rejected:
            return "registration_rejected"
        if self.status == "cancelled":
            return "event_cancelled"
        if growth > 0:
            has_seats = email not in self.pending
            refusal = first_that_applies(
                ("event_not_published", self.status == "draft"),
                ("registration_closed", self.is_closed),
                ("party_cannot_grow", email in self.waiting),
                ("party_too_large", self.is_too_large(size)),
                ("event_full", has_seats and (self.waiting or not self.has_room(growth))),
            )
            if refusal is not None:
                return refusal
        self.sizes[email] = size
        self.promote()
        return None

    def leave(self, email: str) -> None:
        for people in (self.seated, self.waiting, self.pending, self.rejected):
            if email in people:
                people.remove(email)
        self.at_window.discard(email)
        self.used_code.discard(email)
        self.promote()


def first_that_applies(*refusals: tuple[str, object]) -> str | None:
    return next((code for code, applies in refusals if applies), None)


EMAILS = st.sampled_from([f"{letter}@example.com" for letter in "abcdefgh"])
CAPACITIES = st.none() | st.integers(1, 6)
SIZES = st.sampled_from((1, 1, 2, 3, 4))
# Address, size, and whether at the window. Several in a step fill the event.
PARTIES = st.lists(st.tuples(EMAILS, SIZES, st.booleans()), min_size=1, max_size=4)
CHANGES = st.sampled_from(
    [("switch_waitlist", True), ("switch_waitlist", False), ("close", True), ("close", False)]
    + [("change_policy", policy) for policy in ("strict", "first_fit")]
    + [("change_mode", mode) for mode in MODES]
)


class Engine(RuleBasedStateMachine):
    registrations = Bundle("registrations")

    def __init__(self) -> None:
        super().__init__()
        self.model = ModelEvent(None, False)
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.guest = APIClient()
        self.organizer = APIClient()
        self.organizer.force_authenticate(UserFactory())
        self.accounts: dict[str, User] = {}
        self.own: set[str] = set()  # addresses whose place belongs to their account
        self.requests: dict[str, tuple[int, bool]] = {}  # size, and whether at the window

    def teardown(self) -> None:
        """Checks the ledger too, which has all steps."""
        try:
            assert list(find_faults()) == []
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    @initialize(
        capacity=CAPACITIES,
        waitlist=st.booleans(),
        draft=st.sampled_from((False, False, False, True)),
        asks=st.booleans(),
        mode=st.sampled_from(MODES),
    )
    def create(
        self, capacity: int | None, waitlist: bool, draft: bool, asks: bool, mode: str
    ) -> None:
        status = "draft" if draft else "published"
        self.model = ModelEvent(capacity, waitlist, status, mode=mode)
        self.asks = asks
        made = self.organizer.post(
            "/api/events/",
            {
                "name": "Modelled", "location": "-", "start_time": LATER.isoformat(),
                "max_capacity": capacity, "waitlist_enabled": waitlist,
                "status": self.model.status, "max_party_size": 4, "registration_mode": mode,
            },
        )  # fmt: skip
        assert made.status_code == 201
        self.event_id = made.json()["id"]
        self.path = f"/api/events/{self.event_id}"
        if asks:
            form = self.organizer.put(f"{self.path}/form", {"questions": [TABLE]})
            assert form.status_code == 200, form.content
        code = self.organizer.post(f"{self.path}/codes", {"code": "A", "max_uses": CODE_USES})
        assert code.status_code == 201

    def body(self, email: str, size: int, at_window: bool) -> dict[str, object]:
        answers = {"answers": {"table": "window" if at_window else "any"}} if self.asks else {}
        return {"name": "N", "email": email, "party_size": size, **answers}

    def check(self, response, expected: str | None) -> None:
        """`expected` is the code of a refusal; None for success."""
        code = response.json()["code"] if response.status_code >= 400 else None
        assert code == expected, response.content

    @rule(target=registrations, parties=PARTIES, upper=st.booleans())
    def register_guests(self, parties: list[tuple[str, int, bool]], upper: bool):
        return multiple(
            *(made for party in parties for made in self.register_guest(*party, upper=upper))
        )

    def register_guest(self, email: str, size: int, window: bool, *, upper: bool) -> list[Any]:
        # The organizer registers guests, for whom a draft is refused and not hidden.
        window = window and self.asks
        expected = self.model.register(email, size, at_window=window)
        address = email.upper() if upper else email

        response = self.organizer.post(f"{self.path}/register", self.body(address, size, window))

        return self.registered(response, expected, email)

    @rule(target=registrations, parties=PARTIES, code=st.sampled_from(("A", "A", "A", "", "wrong")))
    def register_strangers(self, parties: list[tuple[str, int, bool]], code: str):
        return multiple(
            *(made for party in parties for made in self.register_by_mode(*party, code=code))
        )

    def register_by_mode(self, email: str, size: int, window: bool, *, code: str) -> list[Any]:
        """A guest without an account registers."""
        window, mode = window and self.asks, self.model.mode
        body = {**self.body(email, size, window), "code": code}
        response = self.guest.post(f"{self.path}/register", body)
        if self.model.status == "draft":
            assert response.status_code == 404
            return []
        if mode == "confirm_address":
            refusal = self.model.request(size)
            self.check(response, refusal)
            if refusal is None:
                assert response.json()["status"] == "unconfirmed"
                self.requests[email] = size, window
            return []
        expected = self.model.register(email, size, at_window=window, mode=mode, code=code)
        return self.registered(response, expected, email)

    @precondition(lambda self: self.requests)
    @rule(target=registrations, data=st.data())
    def confirm(self, data: st.DataObject):
        email = data.draw(st.sampled_from(sorted(self.requests)))
        return multiple(*self.confirm_request(email))

    def confirm_request(self, email: str) -> list[Any]:
        size, window = self.requests[email]
        row = AddressConfirmation.objects.filter(event=self.event_id, email=email).first()
        if row is None:  # erased with the account that has the address
            del self.requests[email]
            return []
        expected = self.model.register(email, size, at_window=window, mode=self.model.mode)
        token = confirmation_token(row.pk, row.version)

        response = self.guest.post("/api/registrations/confirm", {"token": token})

        if response.status_code == 200:
            del self.requests[email]
        return self.registered(response, expected, email)

    def registered(self, response, expected: str, email: str) -> list[Any]:
        """Checks the response to a registration; returns what the bundle gets."""
        if response.status_code >= 400:
            self.check(response, expected)
            return []
        made = response.json()
        assert made["status"] == expected
        position = self.model.waiting.index(email) + 1 if expected == "waitlisted" else None
        assert made["waitlist_position"] == position
        ahead = None if position is None else self.model.people(self.model.waiting[: position - 1])
        assert made["people_ahead"] == ahead
        return [(made["id"], made["manage_token"], email)]

    @rule(email=EMAILS)
    def register_account(self, email: str) -> None:
        if email not in self.accounts:
            self.accounts[email] = UserFactory(email=email)
        user = self.accounts[email]
        client = APIClient()
        client.force_authenticate(user)
        if self.model.status == "draft":
            assert client.post(f"{self.path}/register").status_code == 404
            return
        mode = self.model.mode
        if mode == "confirm_address":  # as for other guests
            return
        is_rejected = email in self.model.rejected and email in self.own
        expected = self.model.register(email, mode=mode)
        if expected == "already_registered" and is_rejected:
            expected = "registration_rejected"
        response = client.post(f"{self.path}/register")
        if response.status_code >= 400:
            self.check(response, expected)
        else:
            assert response.json()["status"] == expected
            self.own.add(email)

    @rule(email=EMAILS)
    def delete_account(self, email: str) -> None:
        user = self.accounts.pop(email, None)
        if user is None:
            return
        client = APIClient()
        client.force_authenticate(user)
        response = client.delete("/api/me/", {"password": PASSWORD})
        self.check(response, None)
        if email in self.own:
            self.own.remove(email)
            self.model.leave(email)

    @rule(registration=consumes(registrations), twice=st.booleans())
    def cancel(self, registration, twice: bool) -> None:
        pk, token, email = registration
        if email in self.model.rejected:
            response = self.guest.delete(f"/api/registrations/{pk}/?token={token}")
            self.check(response, "registration_rejected")
            return
        for _ in range(1 + twice):
            response = self.guest.delete(f"/api/registrations/{pk}/?token={token}")
            assert response.status_code == 204
        self.model.leave(email)

    @rule(registration=registrations, size=SIZES)
    def resize(self, registration, size: int) -> None:
        pk, token, email = registration
        if Registration.objects.get(pk=pk).status == "cancelled":
            return
        expected = self.model.resize(email, size)
        path = f"/api/registrations/{pk}/?token={token}"
        self.check(self.guest.patch(path, {"party_size": size}), expected)

    @rule(registration=registrations, window=st.booleans())
    def answer(self, registration, window: bool) -> None:
        pk, token, email = registration
        if not self.asks or Registration.objects.get(pk=pk).status == "cancelled":
            return
        expected = self.model.change_answer(email, at_window=window)
        body = {"answers": {"table": "window" if window else None}}
        self.check(self.guest.patch(f"/api/registrations/{pk}/?token={token}", body), expected)

    @precondition(lambda self: self.model.pending or self.model.rejected)
    @rule(data=st.data(), action=st.sampled_from(("approve", "approve", "reject", "reopen")))
    def decide(self, data: st.DataObject, action: str) -> None:
        undecided = self.model.pending + self.model.rejected
        self.decide_on(data.draw(st.sampled_from(undecided * 3 + self.model.live)), action)

    def decide_on(self, email: str, action: str) -> None:
        row = Registration.objects.of_address().get(event=self.event_id, email=email)
        is_approval = action == "approve"
        expected = self.model.approve(email) if is_approval else self.model.decide(email, action)
        self.check(self.organizer.post(f"/api/registrations/{row.pk}/{action}"), expected)

    @rule(change=CHANGES)
    def change_event(self, change: tuple[str, Any]) -> None:
        method, value = change
        getattr(self, method)(value)

    def change_mode(self, mode: str) -> None:
        response = self.organizer.patch(self.path, {"registration_mode": mode})
        if self.model.status == "cancelled":
            self.check(response, "event_cancelled")
        else:
            self.check(response, None)
            self.model.mode = mode

    @rule(capacity=CAPACITIES)
    def change_capacity(self, capacity: int | None) -> None:
        response = self.organizer.patch(self.path, {"max_capacity": capacity})
        if self.model.status == "cancelled":
            self.check(response, "event_cancelled")
        elif capacity is not None and capacity < self.model.people(self.model.seated):
            self.check(response, "capacity_below_registered")
            assert response.json()["minimum"] == self.model.people(self.model.seated)
        else:
            self.check(response, None)
            self.model.capacity = capacity
            self.model.promote()

    def switch_waitlist(self, enabled: bool) -> None:
        response = self.organizer.patch(self.path, {"waitlist_enabled": enabled})
        if self.model.status == "cancelled":
            self.check(response, "event_cancelled")
        else:
            self.check(response, None)
            self.model.waitlist = enabled

    def change_policy(self, policy: str) -> None:
        response = self.organizer.patch(self.path, {"waitlist_policy": policy})
        if self.model.status == "cancelled":
            self.check(response, "event_cancelled")
        else:
            self.check(response, None)
            self.model.policy = policy
            self.model.promote()

    def close(self, closed: bool) -> None:
        until = CLOSED.isoformat() if closed else None
        response = self.organizer.patch(self.path, {"registration_closes_at": until})
        if self.model.status == "cancelled":
            self.check(response, "event_cancelled")
        else:
            self.check(response, None)
            self.model.is_closed = closed
            self.model.promote()

    @precondition(lambda self: self.model.status != "published")
    @rule()
    def publish(self) -> None:
        response = self.organizer.post(f"{self.path}/publish")
        if self.model.status == "cancelled":
            self.check(response, "event_cancelled")
        else:
            self.check(response, None)
            self.model.status = "published"

    @rule(sure=st.integers(0, 9))
    def cancel_event(self, sure: int) -> None:
        if sure < 9:  # seldom: little can be learned of a cancelled event
            return
        response = self.organizer.post(f"{self.path}/cancel")
        if self.model.status == "draft":
            self.check(response, "event_not_published")
        else:
            self.check(response, None)
            self.model.status = "cancelled"

    @invariant()
    def agrees_with_the_model(self) -> None:
        if not hasattr(self, "event_id"):
            return
        event = Event.objects.get(pk=self.event_id)
        rows = event.registrations.identified().order_by("queue_number")
        seated = {row.email for row in rows if row.status == "confirmed"}
        waiting = [row.email for row in rows if row.status == "waitlisted"]
        assert (seated, waiting) == (set(self.model.seated), self.model.waiting)
        for status, expected in (
            ("pending", self.model.pending),
            ("rejected", self.model.rejected),
        ):
            assert {row.email for row in rows if row.status == status} == set(expected)
        assert event.pending_count == self.model.people(self.model.pending)
        assert event.registered_count == self.model.people(self.model.seated)
        assert event.waitlist_count == self.model.people(waiting)
        assert event.queue_length == len(waiting)
        assert event.is_available == event.has_free_seat
        [code] = RegistrationCode.objects.filter(event=event)
        assert code.uses == len(self.model.used_code)
        taken = OptionLimit.objects.filter(event=event).aggregate(taken=Sum("taken", default=0))
        assert taken["taken"] == len(self.model.at_window.intersection(self.model.live))


@pytest.mark.django_db
def test_the_engine_agrees_with_its_model():
    run_state_machine_as_test(
        Engine,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


class Walk:
    """A repeatable walk through the rules at an event of one mode; each rule has its share."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.rng = random.Random(mode)
        self.engine = Engine()
        self.held: list[tuple[str, str, str]] = []

    def begin(self) -> None:
        self.engine.create(capacity=6, waitlist=True, draft=False, asks=True, mode=self.mode)

    def step(self) -> None:
        rng, engine = self.rng, self.engine
        model = engine.model
        party = (
            rng.choice("abcdefgh") + "@example.com",
            rng.choice((1, 1, 2, 3)),
            rng.random() < 0.5,
        )
        undecided = model.pending + model.rejected
        action = rng.choice(("approve", "approve", "reject", "reopen"))
        steps: list[Callable[[], Any]] = [
            *[lambda: self.hold(engine.register_by_mode(*party, code=rng.choice("AAAB")))] * 4,
            lambda: self.hold(engine.register_guest(*party, upper=False)),
            lambda: engine.change_capacity(rng.choice((4, 6, 8, 8))),
            lambda: engine.change_event(
                rng.choice(
                    [("close", True), ("close", False), ("close", False)]
                    + [("change_policy", policy) for policy in ("strict", "first_fit")]
                    + [("switch_waitlist", is_on) for is_on in (True, True, False)]
                )
            ),
        ]
        if engine.requests:
            email = rng.choice(sorted(engine.requests))
            steps += [lambda: self.hold(engine.confirm_request(email))] * 4
        if undecided:
            steps += [lambda: engine.decide_on(rng.choice(undecided + model.live), action)] * 6
        if self.held:
            held = rng.choice(self.held)
            steps += [
                *[lambda: engine.resize(held, rng.choice((1, 2, 3)))] * 2,
                *[lambda: engine.answer(held, rng.random() < 0.5)] * 2,
                *[lambda: self.leave(held)] * 2,
            ]
        rng.choice(steps)()
        engine.agrees_with_the_model()

    def hold(self, made: list[tuple[str, str, str]]) -> None:
        self.held += made

    def leave(self, held: tuple[str, str, str]) -> None:
        if held[2] not in self.engine.model.rejected:
            self.held.remove(held)
        self.engine.cancel(held, self.rng.random() < 0.5)


@pytest.mark.django_db
@pytest.mark.parametrize("mode", MODES)
def test_walks_in_each_mode_agree_with_the_model(mode):
    walk = Walk(mode)

    try:
        walk.begin()
        for _ in range(60):
            walk.step()
    finally:
        walk.engine.teardown()
