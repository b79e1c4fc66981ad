"""The sender of webhooks alone, with short checks of claims: run_sender.py <database>."""

import os
import sys

import django
from django.conf import settings

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    django.setup()

    from registrations.webhooks import sender

    sender._UPKEEP_SECONDS = 0.3
    print("started", flush=True)
    sender.Sender().run()
