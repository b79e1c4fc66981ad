"""The requests that pages of the documentation show get the responses that these promise."""

import json
import re
from pathlib import Path

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from events.access_keys import key_of_event
from events.models import Event
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLE = re.compile(r"```http\n# (\d+)\n([A-Z]+) (\S+)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", ["questions.md", "running-events.md"])
def test_requests_in_the_docs_are_correct(event, olga, page):
    client = APIClient()
    client.force_authenticate(olga)
    values = {
        "{event}": str(event.pk),
        "{key}": str(key_of_event(Event(pk=event.pk, visibility="unlisted"))),
        "{ticket}": registered(event).ticket_code,
        "{now}": timezone.now().isoformat(),
    }
    text = (DOCS / page).read_text()
    for name, value in values.items():
        text = text.replace(name, value)
    examples = EXAMPLE.findall(text)

    statuses = [
        client.generic(method, path, body and json.dumps(json.loads(body)), "application/json")
        for _, method, path, body in examples
    ]

    assert examples
    assert [(response.request["PATH_INFO"], response.status_code) for response in statuses] == [
        (path.partition("?")[0], int(status)) for status, _, path, _ in examples
    ]
