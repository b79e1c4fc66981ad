from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Notification
from events.models import Event
from registrations.models import LedgerEntry, Registration
from registrations.services.integrity import find_faults

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _to_measure_on(settings):
    """Wherever the tests' database is, it is not one that people use."""
    settings.USES_EMBEDDED_POSTGRES = True


def names() -> list[str]:
    return list(Event.objects.order_by("id").values_list("name", flat=True))


def test_generated_data_is_consistent_and_searchable(anyone):
    out = StringIO()

    call_command("generate_load", "--events", "300", "--registrations", "200", stdout=out)

    assert "300 events and 200 registrations" in out.getvalue()
    assert Event.objects.count() == 300
    assert Registration.objects.count() == LedgerEntry.objects.count() == 200
    assert Event.objects.latest("id").registered_count == 40
    assert not Notification.objects.exists()
    assert list(find_faults()) == []
    body = anyone.get("/api/events/?search=jazz&when=all&count=true").json()
    assert body["count"] == Event.objects.published().filter(name__contains="Jazz").count() > 0


def test_the_same_seed_makes_the_same_events():
    for seed in ("1", "1", "2"):
        call_command("generate_load", "--events", "20", "--registrations", "0", "--seed", seed,
                     stdout=StringIO())  # fmt: skip

    first, second, third = (names()[place : place + 20] for place in (0, 20, 40))
    assert first == second != third


def test_a_production_database_is_refused(settings):
    settings.USES_EMBEDDED_POSTGRES = False

    with pytest.raises(CommandError, match="DEBUG"):
        call_command("generate_load", "--events", "1")
