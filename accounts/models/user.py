"""Users and their sign-in sessions."""

import secrets
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Collate, Lower
from django.utils.timezone import now

from config.api.staff_rights import has_staff_right, outranks
from config.api.text.email_addresses import mailbox_of
from config.api.text.mailbox_field import MailboxField
from config.api.text.visible_characters import is_visible

if TYPE_CHECKING:
    from .api_key import ApiKey

# Usernames made by the system contain a colon, and its addresses have a domain of one label
# (`…@invalid`). No validator accepts either, so no user can have them.
validate_username = RegexValidator(
    r"^[\w.+-]+\Z", "Use letters, digits and the characters . + - _ only.", code="invalid"
)


def _valid_stem(text: str) -> str:
    stem = "".join(c for c in text if c.isalnum() or c in ".+-_")[:140]
    return stem if is_visible(stem) else "user"


# The condition of `UserManager.owners` in SQL.
OWNS_ADDRESS = "email_verified_at IS NOT NULL AND is_active"


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an account. The e-mail address may have any spelling."""
        user = self.model(email=mailbox_of(email), **fields)
        if not user.username:
            user.username = self.free_username(user.email.partition("@")[0])
        user.set_password(password)
        user.save(using=self._db)
        return user

    def owner_of(self, email: str) -> "User | None":
        """The active account that has confirmed an address."""
        return self.owners().filter(email=email).first()

    def owners(self) -> models.QuerySet["User"]:
        """The active accounts that have confirmed their address. An address has one at most."""
        return self.filter(email_verified_at__isnull=False, is_active=True)

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(
            email, password, is_staff=True, is_superuser=True, email_verified_at=now(), **fields
        )

    def existing(self) -> models.QuerySet["User"]:
        """The accounts that are not erased. Rows of erased accounts have no personal data."""
        return self.filter(erased_at=None)

    def visible_to(self, viewer: "User", *permissions: str) -> models.QuerySet["User"]:
        """The viewer's account. All for staff who may view users or have any of `permissions`."""
        existing = self.existing()
        if has_staff_right(viewer, "accounts.view_user", *permissions):
            return existing
        return existing.filter(pk=viewer.pk)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=username or "")

    def free_username(self, text: str) -> str:
        """`text` as a valid username, with a number appended if it is taken."""
        stem = _valid_stem(text)
        names = [stem, *(f"{stem}{number}" for number in range(2, 10))]
        taken = set(
            self.alias(lowered=Lower("username"))
            .filter(lowered__in=[name.lower() for name in names])
            .values_list(Lower("username"), flat=True)
        )
        free = (name for name in names if name.lower() not in taken)
        return next(free, None) or self.random_username(text)

    def random_username(self, text: str) -> str:
        """`text` as a valid username with a random ending, without a check that it is free."""
        return f"{_valid_stem(text)}-{secrets.token_hex(4)}"


class User(AbstractBaseUser, PermissionsMixin):
    class Role(models.TextChoices):
        ORGANIZER = "organizer"
        ATTENDEE = "attendee"

    email = MailboxField(unique=True, help_text="One spelling for each mailbox.")
    username = models.CharField(max_length=150, validators=[validate_username])
    role = models.CharField(max_length=16, choices=Role, default=Role.ORGANIZER)
    timezone = models.CharField(max_length=64, default="UTC", help_text="IANA name.")
    email_verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    pending_email = MailboxField(
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Becomes the address once its owner confirms it. It cannot be used to sign in.",
    )
    withdrawn_email = models.CharField(
        max_length=254,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The former address of an account whose mailbox is another's, or invalid. "
        "Until the account has another address, `email` is a placeholder.",
    )
    token_generation = models.PositiveIntegerField(
        default=1, editable=False, help_text="Incremented to end every token issued so far."
    )
    address_version = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Incremented when a change of the address is over, which ends its links.",
    )
    calendar_generation = models.PositiveIntegerField(
        default=1, editable=False, help_text="Incremented to end the secret link to the calendar."
    )
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May use the admin.")
    has_team = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Has or had a role on events of others. Rights are read for such accounts.",
    )
    date_joined = models.DateTimeField(default=now, editable=False)
    erased_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its personal data was erased."
    )

    objects: ClassVar[UserManager] = UserManager()

    # The API key that the request was made with, if any: see `config.api.key_scopes`.
    key: "ApiKey | None" = None

    audited_fields = (
        "email",
        "pending_email",
        "email_verified_at",
        "username",
        "role",
        "timezone",
        "is_active",
        "is_staff",
        "is_superuser",
        "erased_at",
    )

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["username"]

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("username"), name="username_unique"),
            models.CheckConstraint(
                # For ASCII only: PostgreSQL and IDNA differ on the lower case of other letters.
                condition=models.Q(email=Lower(Collate("email", "C"))),
                name="email_lower_case",
            ),
        ]
        indexes = [
            models.Index(
                fields=["withdrawn_email"],
                condition=~models.Q(withdrawn_email=""),
                name="withdrawn_addresses",
            )
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None

    @property
    def needs_address(self) -> bool:
        """Whether the account must change its e-mail address before any other change."""
        return bool(self.withdrawn_email)

    @property
    def shown_email(self) -> str:
        """The address that the owner of the account knows."""
        return self.withdrawn_email or self.email

    @property
    def unconfirmed_email(self) -> str | None:
        """The address that is to be confirmed, if any."""
        if self.pending_email or self.needs_address:
            return self.pending_email or None
        return None if self.email_verified else self.email

    def may_be_changed_by(self, viewer: "User", *permissions: str) -> bool:
        """Whether `viewer` is the owner, or outranking staff with one of `permissions`.

        Nobody may change an erased account.
        """
        if self.erased_at is not None:
            return False
        is_owner = viewer.pk == self.pk
        return is_owner or (has_staff_right(viewer, *permissions) and outranks(viewer, self))

    def is_own_doing(self, actor_id: int | None) -> bool:
        """Whether the user made a change: signed in, or by a link. Other actors are staff."""
        return actor_id in {None, self.pk}

    @property
    def may_organize(self) -> bool:
        return self.role == self.Role.ORGANIZER


class FormerAddressQuerySet(models.QuerySet["FormerAddress"]):
    def recoverable(self) -> "FormerAddressQuerySet":
        return self.filter(left_at__gt=now() - settings.FORMER_ADDRESS_LIFETIME)


class FormerAddress(models.Model):
    """A confirmed address that an account left a few days ago.

    The owner of the address can take the account back, in case another person changed the address.
    Until that is over, no other account may have the address.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="former_addresses")
    email = MailboxField(db_index=True)
    left_at = models.DateTimeField(default=now)
    address_version = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="That of the account until the change. It signs the recovery link.",
    )

    objects = FormerAddressQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "former addresses"

    def __str__(self) -> str:
        return self.email


class Session(models.Model):
    """One sign-in on one device: a chain of refresh tokens, of which only the newest is valid."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    token_generation = models.PositiveIntegerField(
        help_text="That of the user at the start. The session ends when the user's is higher."
    )
    current_token = models.UUIDField(default=uuid.uuid4, help_text="The valid refresh token.")
    recently_used = models.JSONField(
        default=dict, help_text="Refresh tokens used in the last seconds, and when (Unix time)."
    )
    user_agent = models.CharField(max_length=255, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.user} since {self.created_at:%Y-%m-%d}"


class SignInFailures(models.Model):
    """Recent wrong passwords for an account, from an address, or both; see `lockout`.

    Unlogged: it is empty after a crash of the database.
    """

    account = models.BinaryField(max_length=32, help_text="Keyed digest. Empty for all.")
    address = models.BinaryField(max_length=32, help_text="Keyed digest. Empty for all.")
    level = models.FloatField(help_text="The number of failures that have not expired.")
    at = models.DateTimeField(db_index=True, help_text="The time of the latest failure.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "address"], name="counted_once")]

    def __str__(self) -> str:
        return f"{self.level:g} until {self.at:%Y-%m-%d %H:%M}"
