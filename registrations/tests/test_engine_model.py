"""The API against a small model of it, through many random steps."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import transaction
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
    rule,
    run_state_machine_as_test,
)
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from events.models import Event
from registrations.models import Registration
from registrations.services.integrity import find_faults

CLOSED = timezone.now() - timedelta(days=1)
LATER = timezone.now() + timedelta(days=3650)


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

    def promote(self) -> None:
        if self.status != "published" or self.is_closed:
            return
        while first := self.next_in():
            self.waiting.remove(first)
            self.seated.append(first)

    def next_in(self) -> str | None:
        """The party that gets free seats next, if there are enough of them."""
        queue = self.blocking()[:1] if self.policy == "strict" else self.waiting
        return next((email for email in queue if self.has_room(self.sizes[email])), None)

    def register(self, email: str, size: int = 1) -> str:
        for refusal, applies in (
            ("event_cancelled", self.status == "cancelled"),
            ("event_not_published", self.status == "draft"),
            ("registration_closed", self.is_closed),
            ("already_registered", email in self.seated + self.waiting),
            ("party_too_large", self.capacity is not None and size > self.capacity),
        ):
            if applies:
                return refusal
        if (self.policy == "first_fit" or not self.blocking()) and self.has_room(size):
            self.sizes[email] = size
            self.seated.append(email)
            return "confirmed"
        if self.waitlist:
            self.sizes[email] = size
            self.waiting.append(email)
            return "waitlisted"
        return "event_full"

    def resize(self, email: str, size: int) -> str | None:
        """The code of the refusal, if there is one."""
        growth = size - self.sizes[email]
        if growth == 0:
            return None
        if self.status == "cancelled":
            return "event_cancelled"
        if growth > 0:
            for refusal, applies in (
                ("event_not_published", self.status == "draft"),
                ("registration_closed", self.is_closed),
                ("party_cannot_grow", email in self.waiting),
                ("party_too_large", self.capacity is not None and size > self.capacity),
                ("event_full", bool(self.waiting) or not self.has_room(growth)),
            ):
                if applies:
                    return refusal
        self.sizes[email] = size
        self.promote()
        return None

    def leave(self, email: str) -> None:
        for people in (self.seated, self.waiting):
            if email in people:
                people.remove(email)
        self.promote()


EMAILS = st.sampled_from([f"{letter}@example.com" for letter in "abcdefgh"])
CAPACITIES = st.none() | st.integers(1, 6)
SIZES = st.sampled_from((1, 1, 2, 3, 4))


class Engine(RuleBasedStateMachine):
    registrations = Bundle("registrations")

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.guest = APIClient()
        self.organizer = APIClient()
        self.organizer.force_authenticate(UserFactory())
        self.accounts: dict[str, User] = {}
        self.own: set[str] = set()  # addresses whose place belongs to their account

    def teardown(self) -> None:
        """Checks the ledger too, which has all steps."""
        try:
            assert list(find_faults()) == []
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    @initialize(capacity=CAPACITIES, waitlist=st.booleans(), draft=st.booleans())
    def create(self, capacity: int | None, waitlist: bool, draft: bool) -> None:
        self.model = ModelEvent(capacity, waitlist, "draft" if draft else "published")
        made = self.organizer.post(
            "/api/events/",
            {
                "name": "Modelled", "location": "-", "start_time": LATER.isoformat(),
                "max_capacity": capacity, "waitlist_enabled": waitlist,
                "status": self.model.status, "max_party_size": 4,
            },
        )  # fmt: skip
        assert made.status_code == 201
        self.event_id = made.json()["id"]
        self.path = f"/api/events/{self.event_id}"

    def check(self, response, expected: str | None) -> None:
        """`expected` is the code of a refusal; None for success."""
        code = response.json()["code"] if response.status_code >= 400 else None
        assert code == expected, response.content

    @rule(target=registrations, email=EMAILS, upper=st.booleans(), size=SIZES)
    def register_guest(self, email: str, upper: bool, size: int):
        # The organizer registers guests, for whom a draft is refused and not hidden.
        expected = self.model.register(email, size)
        address = email.upper() if upper else email

        body = {"name": "N", "email": address, "party_size": size}
        response = self.organizer.post(f"{self.path}/register", body)

        if response.status_code >= 400:
            self.check(response, expected)
            return multiple()
        made = response.json()
        assert made["status"] == expected
        position = self.model.waiting.index(email) + 1 if expected == "waitlisted" else None
        assert made["waitlist_position"] == position
        ahead = None if position is None else self.model.people(self.model.waiting[: position - 1])
        assert made["people_ahead"] == ahead
        return (made["id"], made["manage_token"], email)

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
        expected = self.model.register(email)
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

    @rule(enabled=st.booleans())
    def switch_waitlist(self, enabled: bool) -> None:
        response = self.organizer.patch(self.path, {"waitlist_enabled": enabled})
        if self.model.status == "cancelled":
            self.check(response, "event_cancelled")
        else:
            self.check(response, None)
            self.model.waitlist = enabled

    @rule(policy=st.sampled_from(("strict", "first_fit")))
    def change_policy(self, policy: str) -> None:
        response = self.organizer.patch(self.path, {"waitlist_policy": policy})
        if self.model.status == "cancelled":
            self.check(response, "event_cancelled")
        else:
            self.check(response, None)
            self.model.policy = policy
            self.model.promote()

    @rule(closed=st.booleans())
    def close(self, closed: bool) -> None:
        until = CLOSED.isoformat() if closed else None
        response = self.organizer.patch(self.path, {"registration_closes_at": until})
        if self.model.status == "cancelled":
            self.check(response, "event_cancelled")
        else:
            self.check(response, None)
            self.model.is_closed = closed
            self.model.promote()

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
        if sure:  # seldom: little can be learned of a cancelled event
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
        rows = event.registrations.live().order_by("queue_number")
        seated = {row.email for row in rows if row.status == "confirmed"}
        waiting = [row.email for row in rows if row.status == "waitlisted"]
        assert (seated, waiting) == (set(self.model.seated), self.model.waiting)
        assert event.registered_count == self.model.people(self.model.seated)
        assert event.waitlist_count == self.model.people(waiting)
        assert event.queue_length == len(waiting)
        assert event.is_available == event.has_free_seat


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
