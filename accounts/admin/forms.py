"""The admin's forms of accounts. The services validate, so their rules exist once."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AdminPasswordChangeForm, BaseUserCreationForm, UserChangeForm

from config.api.admin import rehearsed_on
from config.api.http.timezones import zone_names
from config.api.text.visible_characters import validate_visible

from ..models import User
from ..services import edit_profile, set_password, sign_up

PROFILE_FIELDS = ("email", "username", "role", "timezone")
ACCESS_FIELDS = ("is_active", "is_staff", "is_superuser")


class ZoneChoiceField(forms.ChoiceField):
    """A zone of the IANA database."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(name, name) for name in sorted(zone_names())], **kwargs)


class VisibleUsernameForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "username" in self.fields:  # a read-only page has no such field
            self.fields["username"].validators.insert(0, validate_visible)


class NewUserForm(VisibleUsernameForm, BaseUserCreationForm):
    timezone = ZoneChoiceField(initial="UTC")

    class Meta:
        model = User
        fields = PROFILE_FIELDS
        help_texts = {"username": "Empty: made from the address."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].required = False

    def clean(self) -> dict[str, Any]:
        # Without super().clean(), whose uniqueness checks the service replaces.
        self.validate_passwords()  # type: ignore[attr-defined]  # the stubs lack it
        if not self.errors:
            with rehearsed_on(self, {"password": "password1"}):
                sign_up(**self.account)
        return self.cleaned_data

    def validate_password_for_user(self, user: Any, password_field_name: str = "") -> None:
        """Do nothing: the service checks the password."""

    @property
    def account(self) -> dict[str, Any]:
        password = self.cleaned_data["password1"]
        return {name: self.cleaned_data[name] for name in PROFILE_FIELDS} | {"password": password}

    def save(self, commit: bool = True) -> Any:
        return forms.ModelForm.save(self, commit=False)


class UserForm(VisibleUsernameForm, UserChangeForm):
    timezone = ZoneChoiceField()

    class Meta:
        model = User
        fields = (*PROFILE_FIELDS, *ACCESS_FIELDS, "groups", "user_permissions")

    def clean(self) -> dict[str, Any]:
        # Without super().clean(), as above.
        if not self.errors:
            with rehearsed_on(self):
                edit_profile(self.instance, self.changes_of(PROFILE_FIELDS), by_staff=True)
        return self.cleaned_data

    def changes_of(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.changed_data if name in names}


class PasswordForm(AdminPasswordChangeForm):
    def save(self, commit: bool = True) -> Any:
        is_usable = self.cleaned_data["set_usable_password"]
        self.user = set_password(self.user, self.cleaned_data["password1"] if is_usable else None)
        return self.user


class ConfirmedAddressesForm(forms.Form):
    """The addresses that a page asked to confirm, by the user's id."""

    addresses = forms.JSONField(widget=forms.HiddenInput, label="")

    def __init__(self, data: Any, addresses: dict[str, str]) -> None:
        super().__init__(data, initial={"addresses": addresses})

    def clean_addresses(self) -> dict[str, str]:
        addresses = self.cleaned_data["addresses"]
        if not isinstance(addresses, dict) or not all(key.isdigit() for key in addresses):
            raise forms.ValidationError("Open the page again.")
        return {key: str(address) for key, address in addresses.items()}
