"""Django's command, which here makes a user name if none is given."""

import os
from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError

from accounts.models import User
from accounts.services.rules import check_free
from config.api.text.email_addresses import mailbox_of
from config.errors import ValidationFailed


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        def option(name: str) -> str:
            return options[name] or os.environ.get(f"DJANGO_SUPERUSER_{name.upper()}", "")

        if not options["interactive"]:
            email = mailbox_of(option("email"))
            try:
                check_free(email=email, username=option("username"))
            except ValidationFailed as error:
                raise CommandError(error.facts["errors"][0]["detail"]) from error
            if not option("username"):
                options["username"] = User.objects.free_username(email.partition("@")[0])
        return super().handle(*args, **options)
