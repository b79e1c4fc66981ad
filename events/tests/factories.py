from datetime import timedelta

import factory
from django.utils import timezone

from accounts.tests.factories import UserFactory
from events.models import Category, Event


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
