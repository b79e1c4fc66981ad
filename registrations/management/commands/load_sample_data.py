"""`manage.py load_sample_data`: sample events, accounts and registrations."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from config.api.files.csv_rows import ImportRefused
from events.models import Event
from registrations.sample_data import (
    ACCOUNTS,
    Account,
    LoadResult,
    accounts_with_known_password,
    count_wiped_rows,
    load_sample_data,
    wipe_events,
)


class Command(BaseCommand):
    help = (
        "Loads the events and attendees of sample_data/, dated from today on, and a few accounts "
        "whose passwords it prints. Run again, it leaves everything as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--if-empty", action="store_true", help="Do nothing when there is any event."
        )
        parser.add_argument(
            "--reset",
            action="store_true",
            help="First delete ALL events and registrations and the sample accounts. Asks before. "
            "Refused where DATABASE_URL is set and DEBUG is off.",
        )
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="With --reset: do not ask.",
        )

    def handle(self, *, if_empty: bool, reset: bool, interactive: bool, **options: Any) -> None:
        if not interactive and not reset:
            raise CommandError("--no-input goes with --reset only; there is no other question.")
        if if_empty and reset:
            raise CommandError("Give --if-empty or --reset, not both.")
        if if_empty and Event.objects.exists():
            self._show_known_logins()
            return
        if reset:
            self._confirm_wipe(interactive)
        try:
            with transaction.atomic():
                if reset:
                    wipe_events()
                result = load_sample_data(known_passwords=_is_trial_database())
        except ImportRefused as error:
            raise CommandError(str(error)) from error
        self._report(result)

    def _confirm_wipe(self, interactive: bool) -> None:
        """Returns if the rows may be deleted. Raises `CommandError` otherwise."""
        if not _is_trial_database():
            raise CommandError(
                "--reset deletes every event and registration, and this looks like production: "
                "DATABASE_URL is set and DEBUG is off. Nothing was deleted. On a database that "
                "is for trying things out, run it with DEBUG=on."
            )
        counts = count_wiped_rows()
        if not (counts and interactive):
            return
        database = connection.settings_dict["NAME"]
        summary = ", ".join(f"{name}: {count:,}" for name, count in counts.items())
        self.stdout.write(
            f"This deletes ALL of these from the database {database!r}, for good:\n  {summary}\n"
            f"The sample accounts are {', '.join(account.email for account in ACCOUNTS)}; "
            "other accounts and the categories stay."
        )
        try:
            answer = input(f"Type the name of the database ({database}) to go on: ")
        except EOFError:
            answer = ""
        if answer.strip() != database:
            raise CommandError("Nothing was deleted.")

    def _show_known_logins(self) -> None:
        """Prints the sample accounts that still have the known password."""
        known = accounts_with_known_password()
        if not known:
            self.stdout.write(
                "The database has events already; no sample data was loaded. For an account that "
                "may use the admin, run: .venv/bin/python manage.py createsuperuser"
            )
            return
        self.stdout.write("Sign in with one of the sample accounts:")
        for account in known:
            self._show_login(account, account.known_password)

    def _show_login(self, account: Account, password: str) -> None:
        role = "staff, for /admin/" if account.is_admin else str(account.role)
        self.stdout.write(f"  {account.email:<20} {password:<24} {role}")

    def _report(self, result: LoadResult) -> None:
        if not result:
            self.stdout.write("The sample data is there already: nothing was changed.")
            return
        self.stdout.write(
            f"Made {len(result.passwords)} accounts, {result.events} events "
            f"and {result.registrations} registrations."
        )
        if result.passwords and _is_trial_database():
            self.stdout.write("Sign in with one of the sample accounts:")
        elif result.passwords:
            self.stdout.write("Sign in with one of these; the passwords are shown this once:")
        for account in ACCOUNTS:
            if account.email in result.passwords:
                self._show_login(account, result.passwords[account.email])


def _is_trial_database() -> bool:
    """Whether known passwords and a wipe are allowed. They are not for production."""
    return bool(settings.USES_EMBEDDED_POSTGRES or settings.DEBUG)
