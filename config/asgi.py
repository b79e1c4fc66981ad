"""The ASGI application, which `config.server` serves."""

from config.wsgi import application as _django

# Imported after the setup of Django, which its modules require.
from config.server.front import Front  # isort: skip

application = Front(_django)
