"""Locks of several rows at once."""

from typing import TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def locked_in_order(rows: QuerySet[M]) -> QuerySet[M]:
    """The same rows, for an `update()` that locks them in the order of their ids.

    A plain update locks rows in the order in which it reads them, so two concurrent updates can
    deadlock. Call it within a transaction.
    """
    chosen = rows.order_by("pk").select_for_update(of=("self",), no_key=True).values("pk")
    return rows.model._base_manager.filter(pk__in=chosen)
