"""What a process of the web server imports: `config.server` serves this application."""

from config.wsgi import application as _django

# What this imports needs Django set up.
from config.server.front import Front  # isort: skip

application = Front(_django)
