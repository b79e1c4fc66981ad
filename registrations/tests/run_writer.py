"""Writes until it is killed: run_writer.py <database> <seed> <event>…"""

import os
import sys

import django
from django.conf import settings

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    database, seed, *event_ids = sys.argv[1:]
    settings.DATABASES["default"]["NAME"] = database
    django.setup()

    from registrations.tests.writing import Writer

    writer = Writer(list(map(int, event_ids)), int(seed))
    print("started", flush=True)
    while True:
        writer.write_once()
