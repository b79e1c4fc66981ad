from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.services.address_normalization import normalize_addresses
from registrations.services.address_normalization import normalize_registrations


class Command(BaseCommand):
    help = (
        "Makes e-mail addresses canonical that were loaded by SQL, in all tables. Run "
        "check_integrity afterwards: it lists accounts and registrations with one mailbox."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            changed = normalize_addresses() | normalize_registrations()
        self.stdout.write(f"{len(changed)} addresses changed")
