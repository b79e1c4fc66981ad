"""No sequence of form changes loses, misreads or blocks a stored answer."""

import os
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rest_framework.test import APIClient

from accounts.tests.factories import UserFactory
from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.services.answer_tallies import count_answers
from registrations.services.integrity import find_faults

# More of them find rarer faults, in more time. --hypothesis-seed then chooses other ones.
CHOSEN_HISTORIES = os.environ.get("FORM_HISTORIES")
HISTORIES = int(CHOSEN_HISTORIES or "25")

KEYS = ("a", "b", "c")
VALUES = ("x", "y", "z")
REFUSALS = {"question_in_use", "limit_below_taken"}

questions = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["choice", "choices", "boolean", "text", "number", "consent"]),
        "required": st.booleans(),
        "active": st.booleans(),
        "ask": st.sampled_from(["registrant", "each_person"]),
        "limits": st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=3),
        "depends": st.booleans(),
    }
)
answers = st.dictionaries(
    st.sampled_from(KEYS),
    st.sampled_from([*VALUES, ["x"], ["y", "z"], True, False, 1, 2.5, None, "words"]),
)


def form_of(drawn: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A valid form. Each question that depends is asked after an answer to the one before."""
    form: list[dict[str, Any]] = []
    for key, fields in drawn.items():
        has_options = fields["type"] in {"choice", "choices"}
        question = {
            "key": key,
            "label": key,
            **{name: fields[name] for name in ("type", "required", "active", "ask")},
            "options": [
                {"value": value, "limit": limit}
                for value, limit in zip(VALUES, fields["limits"], strict=False)
            ]
            if has_options
            else [],
        }
        if fields["depends"] and form:
            possible = {"choice": "x", "choices": "x", "text": "words", "number": 1}
            wanted = possible.get(form[-1]["type"], True)
            question["show_if"] = {"key": form[-1]["key"], "any_of": [wanted]}
        form.append(question)
    return form


class FormMachine(RuleBasedStateMachine):
    """`known` has what each registration answered, by its id: the answers and the guest's."""

    @initialize()
    def start(self) -> None:
        self.client = APIClient()
        self.event: Event = EventFactory(organizer=UserFactory(), max_party_size=3, max_capacity=4)
        Event.objects.filter(pk=self.event.pk).update(waitlist_enabled=True)
        self.client.force_authenticate(self.event.organizer)
        self.known: dict[str, tuple[dict[str, Any], list[Any]]] = {}
        self.number = 0

    @rule(drawn=st.dictionaries(st.sampled_from(KEYS), questions, max_size=3))
    def change_form(self, drawn: dict[str, Any]) -> None:
        path, form = f"/api/events/{self.event.pk}/form/", form_of(drawn)
        response = self.client.put(path, {"questions": form}, format="json")
        if response.status_code != 200:
            assert (response.status_code, response.json()["code"] in REFUSALS) == (409, True)

    @rule(own=answers, guest=answers)
    def register(self, own: dict[str, Any], guest: dict[str, Any]) -> None:
        self.number += 1
        body = {
            "name": "Bob",
            "email": f"bob{self.number}@example.com",
            "party_size": 2,
            "answers": own,
            "guests": [{"name": "Ann", "answers": guest}],
        }
        path = f"/api/events/{self.event.pk}/register/"
        response = self.client.post(path, body, format="json")
        assert response.status_code in {201, 400, 409}
        if response.status_code == 201:
            self._remember(response.json())

    @precondition(lambda self: self.known)
    @rule(data=st.data(), own=answers)
    def edit(self, data: st.DataObject, own: dict[str, Any]) -> None:
        pk = data.draw(st.sampled_from(sorted(self.known)))
        response = self._patch(pk, {"answers": own})
        assert response.status_code in {200, 400, 409}
        if response.status_code == 200:
            self._remember(response.json())

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def send_back(self, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from(sorted(self.known)))
        stored, guests = self.known[pk]
        self._remember_same(pk, self._patch(pk, {"answers": stored, "guests": guests}))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from(sorted(self.known)))
        self._remember_same(pk, self._patch(pk, {"name": "Bo"}))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from(sorted(self.known)))
        assert self.client.delete(f"/api/registrations/{pk}/").status_code == 204
        self.known.pop(pk)

    @rule()
    def count(self) -> None:
        count_answers()

    @invariant()
    def answers_are_those_that_were_given(self) -> None:
        rows = Registration.objects.live().filter(event=self.event)
        assert {str(row.pk): (row.answers, row.guests) for row in rows} == self.known

    @invariant()
    def limits_are_kept(self) -> None:
        assert list(find_faults()) == []

    def _patch(self, pk: str, body: dict[str, Any]):
        return self.client.patch(f"/api/registrations/{pk}/", body, format="json")

    def _remember(self, body: dict[str, Any]) -> None:
        self.known[body["id"]] = body.get("answers", {}), body["guests"]

    def _remember_same(self, pk: str, response: Any) -> None:
        assert response.status_code == 200, response.json()
        before = self.known[pk]
        self._remember(response.json())
        assert self.known[pk] == before


@pytest.mark.django_db
def test_no_change_of_a_form_breaks_an_answer():
    class Machine(FormMachine):
        def __init__(self) -> None:
            super().__init__()
            self.atomic = transaction.atomic()
            self.atomic.__enter__()

        def teardown(self) -> None:
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=14,
            deadline=None,
            derandomize=CHOSEN_HISTORIES is None,
            suppress_health_check=list(HealthCheck),
        ),
    )
