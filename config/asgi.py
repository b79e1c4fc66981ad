"""The ASGI application, which `config.server` serves."""

from config.wsgi import application as _django

# Imported after the setup of Django, which their modules require.
from config.docs import prepare_document  # isort: skip
from config.server.front import Front  # isort: skip

application = Front(_django)

prepare_document()
