"""Queries of registrations: states, visibility, and the columns of each use."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import OuterRef, Q, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Concat

from accounts.audit import erase_values
from config.api.key_scopes import key_of
from config.api.staff_rights import has_staff_right
from events.models import Right, own_events

if TYPE_CHECKING:
    from accounts.models import User

    from .registration import Registration  # noqa: F401  # the type argument of the base class

ERASED_NAME = "Erased account"
# A domain without addresses (RFC 6761, section 6.4). It marks registrations of erased people.
ERASED_DOMAIN = "@invalid"


class RegistrationQuerySet(models.QuerySet["Registration"]):
    def existing(self) -> "RegistrationQuerySet":
        """Registrations for events that are not deleted."""
        return self.filter(event__deleted_at=None)

    def identified(self) -> "RegistrationQuerySet":
        """Registrations whose person is not erased."""
        return self.exclude(email__endswith=ERASED_DOMAIN)

    def opened_by_link(self) -> "RegistrationQuerySet":
        """Registrations that the link in a mail may open."""
        return self.existing().identified()

    def erase_people(self) -> int:
        """Erases names and addresses and returns the number of rows.

        Each row gets a unique address that nobody has.
        """
        erased = Concat(
            Value("erased-"),
            Cast("id", models.TextField()),
            Value(ERASED_DOMAIN),
            output_field=models.TextField(),
        )
        erase_values(self)
        return self.update(name=ERASED_NAME, email=erased, guests=[], answers={})

    def live(self) -> "RegistrationQuerySet":
        """Confirmed or waitlisted."""
        status = self.model.Status
        return self.filter(status__in=(status.CONFIRMED, status.WAITLISTED))

    def current(self) -> "RegistrationQuerySet":
        """Confirmed, waitlisted or pending: those who may come to the event."""
        status = self.model.Status
        return self.exclude(status__in=(status.CANCELLED, status.REJECTED))

    def of_address(self) -> "RegistrationQuerySet":
        """Those whose address cannot register again: all but cancelled ones."""
        return self.exclude(status=self.model.Status.CANCELLED)

    def with_public_names(self) -> "RegistrationQuerySet":
        """Those whose names the list of an event may show to everybody."""
        confirmed = self.filter(status=self.model.Status.CONFIRMED, show_name=True)
        return confirmed.identified()

    def waitlisted(self) -> "RegistrationQuerySet":
        """The queue, in the order of promotion."""
        return self.filter(status=self.model.Status.WAITLISTED).order_by("queue_number")

    def managed_by(self, user: "User") -> "RegistrationQuerySet":
        """The user's own registrations and those that the user made for others."""
        return self.existing().filter(Q(user=user) | Q(registered_by=user))

    def visible_to(
        self,
        user: "User | AnonymousUser",
        *permissions: str,
        right: Right | None = Right.PEOPLE,
    ) -> "RegistrationQuerySet":
        """Visible to their account, the account that made them, the organizer, and staff.

        The organizer is any role with `right`; None is any role at all. A key shows those of the
        organizer alone: attendance of its owner is closed to keys. Staff need the permission to
        view registrations, or any of `permissions`.
        """
        if not user.is_authenticated:
            return self.none()
        if has_staff_right(user, "registrations.view_registration", *permissions):
            return self.existing()
        own = own_events(user, right, path="event__")
        if key_of(user) is not None:
            return self.none() if own is None else self.existing().filter(own)
        visible = Q(user=user) | Q(registered_by=user)
        return self.existing().filter(visible if own is None else visible | own)

    def for_display(self) -> "RegistrationQuerySet":
        """With the event, `position` and `people_ahead`, for `RegistrationOut`, in one query."""
        return self.select_related("event").annotate(
            position=self._of_the_queue(
                models.Count("*"), queue_number__lte=OuterRef("queue_number")
            ),
            people_ahead=self._of_the_queue(
                models.Sum("party_size"), queue_number__lt=OuterRef("queue_number")
            ),
        )

    def for_listing(self) -> "RegistrationQuerySet":
        """`for_display` with only the columns that `RegistrationOut` renders."""
        return self.for_display().only(
            "name", "email", "status", "registered_at", "confirmed_at", "cancelled_at",
            "checked_in_at", "ticket_code", "party_size", "absent_count", "guests", "answers",
            "show_name",
            "event__name", "event__start_time", "event__end_time", "event__timezone",
            "event__location", "event__status", "event__meeting_url", "event__form",
            "event__visibility", "event__key_number",
        )  # fmt: skip

    def _of_the_queue(self, figure: models.Aggregate, **conditions: OuterRef) -> models.Case:
        """A figure of the registrations before a waitlisted one; null for others."""
        waitlisted = self.model.Status.WAITLISTED
        rows = self.model.objects.filter(event=OuterRef("event"), status=waitlisted, **conditions)
        subquery = (
            rows.order_by()
            .annotate(all=Value(1))
            .values("all")
            .annotate(figure=figure)
            .values("figure")
        )
        return models.Case(models.When(status=waitlisted, then=Coalesce(Subquery(subquery), 0)))
