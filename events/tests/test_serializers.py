import pytest
from rest_framework.test import APIRequestFactory

from events.serializers.events import EventOut
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.serializers import RegistrationOut
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


@pytest.fixture
def context(olga) -> dict:
    request = APIRequestFactory().get("/")
    request.user = olga
    return {"request": request}


def test_rendered_fields_are_those_of_the_document(olga, context):
    event = EventFactory(organizer=olga)
    row = Registration.objects.for_display().get(pk=registered(event).pk)

    for serializer in (EventOut(event, context=context), RegistrationOut(row, context=context)):
        optional = {"answers"}  # of an event that asks questions
        fields = tuple(name for name in serializer.Meta.fields if name not in optional)
        assert tuple(serializer.data) == fields
        assert serializer.Meta.fields == tuple(serializer.fields)
