"""Only superusers change groups, since groups grant permissions."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.tests.factories import UserFactory, grant

LIST = "/admin/auth/group/"


@pytest.fixture
def client_of():
    def signed_in_client(user) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in_client


def test_staff_cannot_change_their_group(sam, client_of):
    group = sam.groups.create(name="Support")
    everything = [permission.pk for permission in Permission.objects.all()]
    names = ("view_group", "add_group", "change_group", "delete_group")
    client = client_of(grant(sam, *(f"auth.{name}" for name in names)))
    form = {"name": "Support", "permissions": everything}

    statuses = [
        client.get(LIST).status_code,
        client.post(f"{LIST}{group.pk}/change/", form).status_code,
        client.post(f"{LIST}add/", {**form, "name": "Mine"}).status_code,
        client.post(f"{LIST}{group.pk}/delete/", {"post": "yes"}).status_code,
    ]

    assert statuses == [403, 403, 403, 403]
    assert group.permissions.count() == 0
    assert list(Group.objects.values_list("name", flat=True)) == ["Support"]


def test_superusers_edit_groups(db, client_of):
    client = client_of(UserFactory(is_staff=True, is_superuser=True))
    view_user = Permission.objects.get(codename="view_user")

    client.post(f"{LIST}add/", {"name": "Support", "permissions": [view_user.pk]})

    assert list(Group.objects.get(name="Support").permissions.all()) == [view_user]
