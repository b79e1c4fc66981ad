"""Creating, changing and deleting categories."""

from typing import Any

from django.db import IntegrityError, connection, transaction

from accounts.audit import audited
from config.api.sql.time_limits import long_statements
from config.errors import FieldError, ValidationFailed

from ..models import Category


@transaction.atomic
@audited("saved")
def save_category(category: Category, /, **fields: Any) -> Category:
    """Creates or changes a category. Raises `ValidationFailed` if another one has the slug."""
    for name, value in fields.items():
        setattr(category, name, value)
    try:
        with transaction.atomic(), long_statements(connection):
            category.save()  # a new name updates the search column of all its events
    except IntegrityError as error:
        raise ValidationFailed(
            FieldError("slug", "unique", "Another category has this slug.")
        ) from error
    return category


@transaction.atomic
@audited("deleted", always=True)
def delete_category(category: Category) -> None:
    """Deletes a category. Its events have none afterwards."""
    with long_statements(connection):
        Category.objects.filter(pk=category.pk).delete()
