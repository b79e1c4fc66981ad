"""A model field for the canonical form of an e-mail address."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

from .email_addresses import InvalidAddress, canonical_address, mailbox_of


def validate_mailbox(value: str) -> None:
    """Raises `ValidationError` when mail cannot be sent to the text."""
    try:
        canonical_address(value)
    except InvalidAddress as error:
        raise ValidationError(str(error), code="invalid") from error


class MailboxFormField(forms.EmailField):
    """A form field whose cleaned value is the canonical address."""

    default_validators = [validate_mailbox]
    widget = forms.TextInput  # browsers rewrite the domain in <input type="email">

    def __init__(self, **kwargs: Any) -> None:
        # The input may be longer than its canonical address.
        super().__init__(**{**kwargs, "max_length": None})

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return mailbox_of(text) if text else text


class MailboxField(models.EmailField):
    """Saves the canonical address. Lookups accept any spelling of the mailbox.

    Other texts, the marks of erased and colliding accounts, are saved unchanged. Lookups by a part
    of an address use the text unchanged.
    """

    default_validators = [validate_mailbox]

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return mailbox_of(text) if text else text

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return mailbox_of(text) if isinstance(text, str) and text else text

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": MailboxFormField, **kwargs})
