"""What the live process imports: `granian --interface asgi config.asgi:application`."""

import os
import sys

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

try:
    django.setup()
except ImproperlyConfigured as error:
    sys.exit(f"Configuration error: {error}")

from config.live import LiveApplication  # it imports models, which need the setup

application = LiveApplication(settings.LIVE_MAX_VIEWERS)
