from datetime import timedelta
from zoneinfo import ZoneInfo

import factory
from django.utils import timezone

from accounts.models import User
from accounts.tests.factories import UserFactory
from events.models import Category, Event, Series, TeamMember
from events.recurrence import parse_recurrence
from events.services import create_series


class CategoryFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Category
        django_get_or_create = ("slug",)

    slug = "conference"
    name = factory.LazyAttribute(lambda category: category.slug.title())


class EventFactory(factory.django.DjangoModelFactory):
    """A published event that starts in 30 days and lasts two hours."""

    class Meta:
        model = Event

    name = factory.Sequence(lambda n: f"Event {n}")
    location = "Berlin"
    organizer = factory.SubFactory(UserFactory)
    start_time = factory.LazyFunction(lambda: timezone.now() + timedelta(days=30))
    end_time = factory.LazyAttribute(lambda event: event.start_time + timedelta(hours=2))
    timezone = "Europe/Berlin"


class SeriesFactory(factory.django.DjangoModelFactory):
    """Three events, a week apart, each like one of `EventFactory`. Made by the service."""

    class Meta:
        model = Series

    name = factory.Sequence(lambda n: f"Series {n}")
    location = "Berlin"
    organizer = factory.SubFactory(UserFactory)
    start_time = factory.LazyFunction(lambda: timezone.now() + timedelta(days=30))
    end_time = factory.LazyAttribute(lambda series: series.start_time + timedelta(hours=2))
    timezone = "Europe/Berlin"
    recurrence = "FREQ=WEEKLY;COUNT=3"

    @classmethod
    def _create(cls, model_class, *args, organizer, recurrence, **fields):
        zone = ZoneInfo(fields["timezone"])
        return create_series(organizer, recurrence=parse_recurrence(recurrence, zone), **fields)


def with_role(user: User, role: str, row: Event | Series) -> User:
    """The user as an active member of the team of an event or a series."""
    TeamMember.objects.create(
        event=row if isinstance(row, Event) else None,
        series=row if isinstance(row, Series) else None,
        user=user,
        email=user.email,
        role=role,
        state=TeamMember.State.ACTIVE,
        invited_by=row.organizer,
    )
    User.objects.filter(pk=user.pk).update(has_team=True)
    user.has_team = True
    return user
