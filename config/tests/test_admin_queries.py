"""Every list of the admin costs the same queries for one row and for three."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from procrastinate.contrib.django import app as jobs

from accounts.models import Notification
from accounts.tests.factories import KeyFactory, UserFactory
from accounts.tokens import open_session
from events.services.team import invite
from events.tests.factories import CategoryFactory, EventFactory, SeriesFactory
from registrations.models import Feedback, Message, WebhookDelivery
from registrations.services import create_door_link
from registrations.tests.factories import WebhookFactory, registered


def add_rows() -> None:
    """A row of each list, none of which shares its related rows with another."""
    owner, guest = UserFactory(), UserFactory()
    event = EventFactory(organizer=owner, category=CategoryFactory(slug=f"c{owner.pk}"))
    SeriesFactory(organizer=owner)
    registered(event, user=guest, email=guest.email, registered_by=owner)
    Feedback.objects.create(event=event, author=guest, rating=4)
    Message.objects.create(event=event, author=owner, subject="Parking", body="Behind the hall.")
    create_door_link(event, name="Main entrance", by=owner)
    invite(event, email=f"new-{owner.pk}@example.com", role="door", by=owner)
    KeyFactory(user=owner)
    open_session(owner)
    WebhookDelivery.objects.create(webhook=WebhookFactory(owner), type="ping")
    Notification.objects.create(
        kind="registration_confirmed", key=f"k{owner.pk}", user=owner, email=owner.email
    )
    Group.objects.create(name=f"Support {owner.pk}")
    sweep = jobs.tasks["config.api.tasks.sweep_counts"]
    sweep.configure(queueing_lock=f"sweep {owner.pk}").defer(timestamp=0)


def cost_of(client: Client, model: type) -> tuple[int, int]:
    """The number of queries of a list, and of its rows."""
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    return len(queries), len(response.context["cl"].result_list)


@pytest.mark.django_db
def test_lists_cost_the_same_for_more_rows():
    client = Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    add_rows()
    for model in admin.site._registry:
        cost_of(client, model)  # fills the caches of the process
    one = {model: cost_of(client, model) for model in admin.site._registry}

    add_rows()
    add_rows()

    three = {model: cost_of(client, model) for model in admin.site._registry}
    assert {model: queries for model, (queries, _) in one.items()} == {
        model: queries for model, (queries, _) in three.items()
    }
    assert [model for model in one if not 0 < one[model][1] < three[model][1]] == []
