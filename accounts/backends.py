from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Q
from django.db.models.functions import Lower
from django.http import HttpRequest

from config.api.text.email_addresses import mailbox_of

from .models import User

# Each candidate costs a slow hash. Very few accounts share an address in several spellings.
_MAX_CANDIDATES = 5


class EmailOrUsernameBackend(ModelBackend):
    """Signs in by e-mail address, in any spelling of the mailbox, or by user name in any case.

    An account that lost its mailbox to another account signs in by its former address
    (`User.withdrawn_email`). The password is compared with the owner of the mailbox first.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if not username or not password:
            return None
        users = (
            User.objects.alias(lowered=Lower("username"))
            .filter(
                Q(email=username)
                | Q(lowered=mailbox_of(username))
                | (Q(withdrawn_email=username.strip().lower()) & ~Q(withdrawn_email="")),
                is_active=True,
            )
            .order_by("withdrawn_email")[:_MAX_CANDIDATES]
        )
        if not users:
            User().set_password(password)  # takes as long as a check, so time reveals nothing
            return None
        return next((user for user in users if user.check_password(password)), None)
