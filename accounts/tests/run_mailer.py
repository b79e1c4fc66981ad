"""`manage.py deliver_notifications` with the kinds of the tests: run_mailer.py <database>."""

import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    settings.TEMPLATES[0]["DIRS"].append(Path(__file__).parent / "templates")
    django.setup()

    from accounts.notifications import mailer, register_kind
    from accounts.tests.kinds import ALL

    for kind in ALL:
        register_kind(kind)
    mailer._CLAIM_CHECK_SECONDS = 0.3
    call_command("deliver_notifications", connections=1)
