"""What the roles on an event or a series may do: the roles for every route that needs one.

Lines are `method route roles`. `others` in config/tests/access.py are refused; a role gets the
status of the organizer or, if it is not in the line, 403 `role_too_low`. A route without a line
treats roles like strangers, except that they see drafts.

    all          every role
    hidden:…     those that are not named get 404
"""

ROLE_ACCESS = """
PUT    api/events/<id:pk>/                     manager editor
PATCH  api/events/<id:pk>/                     manager editor
DELETE api/events/<id:pk>/                     -
POST   api/events/<id:pk>/publish/             manager editor
PUT    api/events/<id:pk>/image/               manager editor
DELETE api/events/<id:pk>/image/               manager editor
POST   api/events/<id:pk>/cancel/              manager
POST   api/events/<id:pk>/duplicate/           manager editor
POST   api/events/<id:pk>/key/reset/           manager editor
PUT    api/events/<id:pk>/form/                manager editor
GET    api/events/<id:pk>/form/summary/        manager registrar
GET    api/events/<id:pk>/team/                all
POST   api/events/<id:pk>/team/                manager
PATCH  api/events/<id:pk>/team/<id:member_id>/ manager
DELETE api/events/<id:pk>/team/<id:member_id>/ manager
POST   api/events/<id:pk>/transfer/            -
DELETE api/events/<id:pk>/transfer/            -
GET    api/events/<id:pk>/attendees/           manager registrar door
POST   api/events/<id:pk>/attendees/decide/    manager registrar
GET    api/events/<id:pk>/codes/               manager registrar
POST   api/events/<id:pk>/codes/               manager registrar
DELETE api/events/<id:pk>/codes/<id:code_pk>/  manager registrar
POST   api/registrations/<uuid:pk>/approve/    hidden: manager registrar
POST   api/registrations/<uuid:pk>/reject/     hidden: manager registrar
POST   api/registrations/<uuid:pk>/reopen/     hidden: manager registrar
GET    api/events/<id:pk>/attendees/export/    manager registrar
POST   api/events/<id:pk>/attendees/import/    manager registrar
GET    api/events/<id:pk>/ledger/              manager registrar
POST   api/events/<id:pk>/check-in/            manager registrar door
POST   api/events/<id:pk>/check-in/undo/       manager registrar door
POST   api/events/<id:pk>/check-ins/bulk/      manager registrar door
GET    api/events/<id:pk>/door-list/           manager registrar door
GET    api/events/<id:pk>/door-links/          manager registrar
POST   api/events/<id:pk>/door-links/          manager registrar
DELETE api/events/<id:pk>/door-links/<id:link_id>/ manager registrar
GET    api/events/<id:pk>/messages/            manager registrar
POST   api/events/<id:pk>/messages/            manager registrar
GET    api/events/<id:pk>/statistics/          manager registrar
GET    api/messages/<id:pk>/                   hidden: manager registrar
GET    api/registrations/<uuid:pk>/            hidden: manager registrar
PATCH  api/registrations/<uuid:pk>/            hidden: manager registrar
DELETE api/registrations/<uuid:pk>/            hidden: manager registrar
POST   api/registrations/<uuid:pk>/resend/     hidden: manager registrar
GET    api/registrations/<uuid:pk>/ticket.svg  hidden: manager registrar
GET    api/registrations/<uuid:pk>/ticket.png  hidden: manager registrar
PATCH  api/series/<id:pk>/                     manager editor
DELETE api/series/<id:pk>/                     -
POST   api/series/<id:pk>/publish/             manager editor
PUT    api/series/<id:pk>/form/                manager editor
GET    api/series/<id:pk>/team/                all
POST   api/series/<id:pk>/team/                manager
PATCH  api/series/<id:pk>/team/<id:member_id>/ manager
DELETE api/series/<id:pk>/team/<id:member_id>/ manager
POST   api/series/<id:pk>/transfer/            -
DELETE api/series/<id:pk>/transfer/            -
"""


def role_access() -> dict[tuple[str, str], list[str]]:
    """The words of each line by method and path."""
    rows = (text.split() for text in ROLE_ACCESS.strip().splitlines())
    return {(method, path): words for method, path, *words in rows}
