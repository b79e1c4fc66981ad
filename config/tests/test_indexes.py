"""Indexes of the tables of all apps."""

import pytest
from django.apps import apps
from django.db import connection

# An index on one column, and another one on the same table that begins with this column in the
# same order. Partial indexes answer other queries.
REDUNDANT = """
    SELECT one.indexrelid::regclass::text
    FROM pg_index AS one JOIN pg_index AS longer ON
        longer.indrelid = one.indrelid
        AND longer.indexrelid <> one.indexrelid
        AND longer.indkey[0] = one.indkey[0]
        AND longer.indclass[0] = one.indclass[0]
        AND longer.indcollation[0] = one.indcollation[0]
    WHERE one.indrelid::regclass::text = ANY(%s)
        AND one.indnatts = 1 AND one.indkey[0] <> 0 AND NOT one.indisunique
        AND one.indpred IS NULL AND longer.indpred IS NULL
"""


@pytest.mark.django_db
def test_no_index_is_the_beginning_of_another():
    labels = ("api", "accounts", "events", "registrations")
    tables = [
        model._meta.db_table for model in apps.get_models() if model._meta.app_label in labels
    ]

    with connection.cursor() as cursor:
        cursor.execute(REDUNDANT, [tables])
        redundant = [name for (name,) in cursor.fetchall()]

    assert redundant == []
