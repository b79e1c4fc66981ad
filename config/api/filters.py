"""Filters of lists by query parameters, with strict values."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.utils import timezone
from django_filters.rest_framework import FilterSet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

from .fields import ANY_TEXT, DAY_OR_MOMENT, read_moment
from .http.day_suggestions import explain_day

MAX_ID = 2**63 - 1


class StrictFilterSet(FilterSet):
    """A FilterSet that refuses empty values, except for text.

    Otherwise `?organizer=` would not filter and would return every row.
    """

    def get_form_class(self) -> type[forms.Form]:
        form_class: type[forms.Form] = super().get_form_class()
        filters = self.filters

        class StrictForm(form_class):  # type: ignore[valid-type,misc]
            def clean(self) -> dict[str, Any]:
                for name, each in filters.items():
                    is_text = isinstance(each, django_filters.CharFilter)
                    is_empty = name in self.data and not self.data[name]
                    if is_empty and not is_text and name not in self.errors:
                        self.add_error(name, forms.ValidationError("Send a value.", "invalid"))
                return dict(super().clean() or self.cleaned_data)

        return StrictForm


def _choose_from(choices: Iterable[tuple[str, str]]) -> dict[str, str]:
    names = ", ".join(str(value) for value, _ in choices)
    return {"invalid_choice": f"Choose one of: {names}."}


class ChoiceFilter(django_filters.ChoiceFilter):
    """One of some values."""

    def __init__(self, *, choices: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(choices=choices, error_messages=_choose_from(choices), **kwargs)


class ChoicesFilter(django_filters.MultipleChoiceFilter):
    """One of some values. Repeated, it matches any of its values."""

    takes_several = True

    def __init__(self, *, choices: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(choices=choices, error_messages=_choose_from(choices), **kwargs)

    def filter(self, qs: Any, value: list[str]) -> Any:
        if self.method or not value:
            return qs
        name = self.field_name
        return qs.filter(**({name: value[0]} if len(value) == 1 else {f"{name}__in": value}))


class _TrueOrFalseField(forms.Field):
    values: Mapping[str, bool] = {"true": True, "1": True, "false": False, "0": False}

    def to_python(self, value: Any) -> bool | None:
        if value in self.empty_values:
            return None
        try:
            return self.values[str(value).lower()]
        except KeyError:
            raise forms.ValidationError("Send true or false.", "invalid") from None


@extend_schema_field({"type": "string", "pattern": ANY_TEXT})
class TextFilter(django_filters.CharFilter):
    """Any text that the database can store."""


@extend_schema_field(OpenApiTypes.BOOL)
class TrueOrFalseFilter(django_filters.Filter):
    field_class = _TrueOrFalseField


class _InstantField(forms.Field):
    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        # A plus sign that was not percent-encoded arrives as a space.
        text = str(value)
        if len(text) > len("2027-03-15 09:00") and text[-6] == " ":
            text = f"{text[:-6]}+{text[-5:]}"
        if re.fullmatch("[0-9]{4}(-[0-9]{2}){2}", text):
            text += "T00:00"
        try:
            moment = read_moment(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=timezone.get_current_timezone())
            # PostgreSQL reads offsets below 16 hours only.
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise forms.ValidationError(
                "Send a date, or a date and time such as 2027-03-15T09:00:00Z.", "invalid"
            ) from None


@extend_schema_field({"type": "string", **DAY_OR_MOMENT})
class InstantFilter(django_filters.Filter):
    """An instant. Without an offset it is in the request's zone. A day means its start."""

    field_class = _InstantField


class _IdField(forms.IntegerField):
    def to_python(self, value: Any) -> int | None:
        if value not in self.empty_values and re.fullmatch("-?[0-9]+", value) is None:
            raise forms.ValidationError(self.error_messages["invalid"], "invalid")
        return super().to_python(value)


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": MAX_ID})
class IdFilter(django_filters.Filter):
    field_class = _IdField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_ID, **kwargs)


class _DayField(forms.DateField):
    def to_python(self, value: Any) -> Any:
        try:
            if value in self.empty_values or re.fullmatch("[0-9]{4}(-[0-9]{2}){2}", value):
                return super().to_python(value)
        except forms.ValidationError:
            pass  # not a day of the calendar
        raise forms.ValidationError(explain_day(value), "invalid")


@extend_schema_field(OpenApiTypes.DATE)
class DayFilter(django_filters.Filter):
    """A day such as 2027-03-15."""

    field_class = _DayField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d"], **kwargs)


_DECIMALS = r"(?:\.[0-9]{0,15})?"
_LATITUDE = rf"[+-]?(?:0?[0-8]?[0-9]{_DECIMALS}|0?90(?:\.0{{0,15}})?)"
_LONGITUDE = rf"[+-]?(?:(?:0?[0-9]?[0-9]|1[0-7][0-9]){_DECIMALS}|180(?:\.0{{0,15}})?)"
_LENGTH = r"[0-9]{1,9}(?:\.[0-9]{1,15})?"
COORDINATES = f"^{_LATITUDE},{_LONGITUDE}$"


class _CoordinatesField(forms.Field):
    def to_python(self, value: Any) -> tuple[float, float] | None:
        if value in self.empty_values:
            return None
        # A plus sign that was not percent-encoded arrives as a space.
        text = re.sub(r"(^|,) ", r"\1+", str(value)) if " " in str(value) else str(value)
        if re.fullmatch(COORDINATES, text):
            latitude, longitude = map(float, text.split(","))
            return latitude, longitude
        raise forms.ValidationError("Send degrees north and east, such as 52.52,13.405.", "invalid")


@extend_schema_field({"type": "string", "pattern": COORDINATES, "examples": ["52.52,13.405"]})
class CoordinatesFilter(django_filters.Filter):
    """A latitude from -90 to 90 and a longitude from -180 to 180, in degrees."""

    field_class = _CoordinatesField


class _KilometresField(forms.FloatField):
    def to_python(self, value: Any) -> Any:
        if value not in self.empty_values and not re.fullmatch(_LENGTH, value):
            raise forms.ValidationError(self.error_messages["invalid"], "invalid")
        return super().to_python(value)


class KilometresFilter(django_filters.Filter):
    """A length in kilometres. Its bounds are also in the OpenAPI document."""

    field_class = _KilometresField

    def __init__(self, *, min_value: float, max_value: float, **kwargs: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **kwargs)
        bounds = {"type": "number", "minimum": min_value, "maximum": max_value}
        extend_schema_field(bounds)(self)
