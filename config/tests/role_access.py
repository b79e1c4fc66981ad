"""What the roles on an event or a series may do.

A route or method without a line here fails the suite. Lines are `method route roles`. A role gets
the status of the organizer in config/tests/access.py or, if it is not in the line, 403
`role_too_low`.

    all          every role
    hidden:…     those that are not named get 404
    same         no role matters for the status: it is no event's, or about the caller's own rows
"""

ROLE_ACCESS = """
# what is below an event or a series
GET    api/events/<id:pk>/                     all
GET    api/events/<id:pk>/calendar.ics         all
GET    api/events/<id:pk>/stream/              all
GET    api/series/<id:pk>/                     all
GET    api/events/<id:pk>/form/                all
GET    api/events/<id:pk>/form/schema/         all
GET    api/series/<id:pk>/form/                all
GET    api/series/<id:pk>/form/schema/         all
POST   api/events/<id:pk>/register/            all
GET    api/events/<id:pk>/feedback/            all
POST   api/events/<id:pk>/feedback/            all
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
POST   api/registrations/<uuid:pk>/approve/    manager registrar
POST   api/registrations/<uuid:pk>/reject/     manager registrar
POST   api/registrations/<uuid:pk>/reopen/     manager registrar
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

# what is not
GET    api/                                    same
GET    api/schema/                             same
GET    api/docs/                               same
GET    api/redoc/                              same
GET    api/users/<id:pk>/                      same
PUT    api/users/<id:pk>/                      same
PATCH  api/users/<id:pk>/                      same
DELETE api/users/<id:pk>/                      same
POST   api/register/                           same
POST   api/login/                              same
POST   api/token/refresh/                      same
POST   api/logout/                             same
POST   api/password/change/                    same
POST   api/password/reset/                     same
POST   api/password/reset/confirm/             same
POST   api/email/verify/                       same
POST   api/email/verify/resend/                same
GET    api/users/                              same
POST   api/users/                              same
GET    api/me/                                 same
PUT    api/me/                                 same
PATCH  api/me/                                 same
DELETE api/me/                                 same
GET    api/me/registrations/                   same
GET    api/me/events/                          same
GET    api/me/notifications/                   same
POST   api/me/notifications/read/              same
GET    api/me/export/                          same
GET    api/me/sessions/                        same
DELETE api/me/sessions/<uuid:pk>/              same
GET    api/me/calendar.ics                     same
GET    api/changes/                            same
GET    api/me/statistics/                      same
POST   api/me/calendar/reset/                  same
GET    api/me/invitations/                     same
POST   api/me/invitations/<id:pk>/accept/      same
POST   api/me/invitations/<id:pk>/decline/     same
GET    api/webhooks/                           same
POST   api/webhooks/                           same
GET    api/webhooks/<id:pk>/                   same
PATCH  api/webhooks/<id:pk>/                   same
DELETE api/webhooks/<id:pk>/                   same
POST   api/webhooks/<id:pk>/rotate/            same
POST   api/webhooks/<id:pk>/test/              same
POST   api/webhooks/<id:pk>/replay/            same
GET    api/webhooks/<id:pk>/deliveries/        same
POST   api/webhooks/<id:pk>/deliveries/<id:delivery_id>/redeliver/ same
GET    api/me/keys/                            same
POST   api/me/keys/                            same
PATCH  api/me/keys/<id:pk>/                    same
DELETE api/me/keys/<id:pk>/                    same
POST   api/me/keys/<id:pk>/rotate/             same
GET    api/key/                                same
POST   api/keys/revoke/                        same
GET    api/events/calendar.ics                 same
GET    api/events/facets/                      same
GET    api/events/suggest/                     same
GET    api/events/                             same
POST   api/events/                             same
POST   api/events/bulk/                        same
POST   api/events/import/                      same
GET    api/series/                             same
POST   api/series/                             same
GET    api/categories/                         same
POST   api/categories/                         same
GET    api/categories/<slug:slug>/             same
PUT    api/categories/<slug:slug>/             same
PATCH  api/categories/<slug:slug>/             same
DELETE api/categories/<slug:slug>/             same
POST   api/registrations/confirm/              same
GET    api/feedback/<id:pk>/                   same
PATCH  api/feedback/<id:pk>/                   same
DELETE api/feedback/<id:pk>/                   same
"""


def role_access() -> dict[tuple[str, str], list[str]]:
    """The words of each line by method and path."""
    rows = (text.split() for text in ROLE_ACCESS.splitlines() if text and text[0] != "#")
    return {(method, path): words for method, path, *words in rows}
