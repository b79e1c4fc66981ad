"""Strict request bodies: an unknown field is an error.

Otherwise a misspelt field could, for example, publish an event without a limit. A route accepts

- the fields of its serializer;
- the serializer's `aliases`, other names of these fields;
- the fields of its own responses. They are read-only and ignored, so that a client can send back
  a body that it has read.

A serializer may have these attributes:
`aliases`: canonical names by alias;
`synonyms`: common names of a field, which are not accepted but lead to a suggestion;
`explained`: error texts for certain unknown fields, by name;
`array_field`: the field that a bare array is read as.

A field of a serializer may have a method `unknown_names(value)`, which yields an error for each
unknown name inside the value. A list with `reads_indexes = False` has no `hours[0]` in a form.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from django.http import QueryDict
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import (
    BaseSerializer,
    DictField,
    FileField,
    ListField,
    ListSerializer,
    Serializer,
)

from config.errors import FieldError, ValidationFailed

from .exception_handler import to_domain_error
from .name_suggestions import MAX_LENGTH, MAX_REPORTED, suggest
from .parameters import repeated_parameter


class NoFields(Serializer[Any]):
    """The body of a route that needs none."""


def validate_body(
    serializer: Serializer[Any],
    data: Any,
    *,
    read_only: frozenset[str] = frozenset(),
    ignores_unknown: bool = False,
    query_parameters: Iterable[str] = (),
) -> dict[str, Any]:
    """The validated values of a body.

    Fields in `read_only` are ignored. `query_parameters` are those of the route, which clients
    often put into the body by mistake. Raises `ValidationFailed` with all errors, including unknown
    fields unless `ignores_unknown`.
    """
    if isinstance(data, list) and hasattr(serializer, "array_field"):
        data = {serializer.array_field: data}
    if not isinstance(data, Mapping):
        code = "null" if data is None else "invalid"
        raise ValidationFailed(FieldError(None, code, "Send an object, such as {…} in JSON."))
    serializer.initial_data = data  # fields check whether it is a form
    canonical, renamed, errors = _without_aliases(serializer, data)
    values: dict[str, Any] = {}
    try:
        values = serializer.run_validation(canonical)
    except ValidationError as error:
        errors = [*_field_errors(error, renamed), *errors]
    errors += _repeated_files(serializer, data)
    if not ignores_unknown and _may_have_unknown_fields(serializer, data):
        errors += _unknown_fields(serializer, data, read_only, query_parameters)
    if errors:
        raise ValidationFailed(*errors)
    return values


def _field_errors(error: ValidationError, renamed: Mapping[str, str]) -> list[FieldError]:
    """The errors, by the names that the client sent."""
    failed = to_domain_error(error)
    assert isinstance(failed, ValidationFailed)  # noqa: S101  # the result for a ValidationError
    return [
        replace(each, field=renamed.get(each.field, each.field)) if each.field else each
        for each in failed.field_errors
    ]


def _repeated_files(serializer: Serializer[Any], data: Mapping[str, Any]) -> list[FieldError]:
    """The errors of several files, or of a file and a text, with one name.

    The last of them alone would be read.
    """
    if not isinstance(data, QueryDict):
        return []
    return [
        repeated_parameter(name)
        for name, field in serializer.fields.items()
        if isinstance(field, FileField) and len(data.getlist(name)) > 1
    ]


# --- unknown fields ---


def _may_have_unknown_fields(serializer: Serializer[Any], data: Mapping[str, Any]) -> bool:
    """False for nearly every body, after one comparison of sets."""
    plain_names: frozenset[str] | None = serializer.__dict__.get("_plain_names")
    if plain_names is None:  # cached on the serializer, which is cached itself
        plain_names = frozenset(
            name for name, field in serializer.fields.items() if not _has_names_inside(field)
        )
        serializer.__dict__["_plain_names"] = plain_names
    return not data.keys() <= plain_names


def _has_names_inside(field: Any) -> bool:
    return isinstance(field, BaseSerializer) or hasattr(field, "unknown_names")


def _unknown_fields(
    serializer: Serializer[Any],
    data: Mapping[str, Any],
    read_only: frozenset[str],
    query_parameters: Iterable[str],
) -> list[FieldError]:
    aliases: Mapping[str, str] = getattr(serializer, "aliases", {})
    fields = serializer.fields
    is_form = isinstance(data, QueryDict)
    names = dict.fromkeys(_form_names(fields, data)) if is_form else data
    unknown = [
        name
        for name in names
        if name not in fields and name not in read_only and name not in aliases
    ][:MAX_REPORTED]
    errors = [_unknown_field(serializer, name, query_parameters) for name in unknown]
    for name, field in fields.items():
        if name in names:
            value = field.get_value(data) if is_form else data[name]
            errors += unknown_inside(field, name, value)
    return errors[:MAX_REPORTED]


def _form_names(fields: Mapping[str, Any], data: Iterable[str]) -> Iterator[str]:
    """The names of a form: of `preferences.note` or `guests[0]name` the field that reads it."""
    for name in data:
        outer = re.split(r"(?<=.)[.\[]", name, maxsplit=1)[0]
        is_read = outer not in fields or _reads(fields[outer], name[len(outer) :])
        yield outer if is_read else name


def _reads(field: Any, inner: str) -> bool:
    """Whether the field of a form reads a name with this end, which is empty for its own name."""
    if isinstance(field, ListSerializer | ListField):
        return not inner or (getattr(field, "reads_indexes", True) and inner.startswith("["))
    return not inner or (isinstance(field, Serializer | DictField) and inner.startswith("."))


def unknown_inside(field: Any, path: str, value: Any) -> list[FieldError]:
    """Unknown names in a nested object, in a list of objects, or by the field's own method."""
    if hasattr(field, "unknown_names"):
        by_field: Iterator[FieldError] = field.unknown_names(value)
        errors = list(by_field)
    elif isinstance(field, ListSerializer) and isinstance(value, list):
        errors = [
            error
            for index, item in enumerate(value)
            for error in unknown_inside(field.child, str(index), item)
        ]
    elif isinstance(field, Serializer) and isinstance(value, Mapping):
        errors = _unknown_fields(field, value, frozenset(), ())
    else:
        return []
    return [replace(error, field=f"{path}.{error.field}") for error in errors]


def _unknown_field(
    serializer: Serializer[Any], name: str, query_parameters: Iterable[str]
) -> FieldError:
    known = [each for each, field in serializer.fields.items() if not field.read_only]
    explained: Mapping[str, str] = getattr(serializer, "explained", {})
    if name in explained:
        return FieldError(name, "unknown_field", explained[name])
    if name in query_parameters:
        detail = f"Send it as a query parameter: ?{name}=…"
        return FieldError(name, "unknown_field", detail)
    synonyms = {**getattr(serializer, "synonyms", {}), **getattr(serializer, "aliases", {})}
    return unknown_field(name, known, synonyms)


def unknown_field(
    name: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None
) -> FieldError:
    """The error of one unknown field. `known` are the names to suggest."""
    known = list(known)
    suggestion = suggest(name, known, synonyms)
    shortened = name if len(name) <= MAX_LENGTH else f"{name[:MAX_LENGTH]}…"
    if suggestion is not None:
        detail = f"Did you mean {suggestion}?"
        return FieldError(shortened, "unknown_field", detail, suggestion=suggestion)
    detail = f"Known here are: {', '.join(known)}." if known else "This route reads no fields."
    return FieldError(shortened, "unknown_field", detail)


# --- aliases ---


def _without_aliases(
    serializer: Serializer[Any], data: Mapping[str, Any]
) -> tuple[Mapping[str, Any], dict[str, str], list[FieldError]]:
    """The data by canonical names, the sent aliases by canonical name, and the errors."""
    aliases: Mapping[str, str] = getattr(serializer, "aliases", {})
    sent = [alias for alias in aliases if alias in data]
    if not sent:
        return data, {}, []
    canonical: Any = data.copy()  # type: ignore[attr-defined]  # a form stays a form
    renamed, errors = {}, []
    for alias in sent:
        name = aliases[alias]
        if name in data:
            errors += _conflict(serializer.fields[name], data, name, alias)
            canonical.pop(alias)
            continue
        renamed[name] = alias
        if isinstance(canonical, QueryDict):
            canonical.setlist(name, canonical.pop(alias))
        else:
            canonical[name] = canonical.pop(alias)
    return canonical, renamed, errors


def _conflict(field: Any, data: Mapping[str, Any], name: str, alias: str) -> list[FieldError]:
    """The errors of an alias beside its canonical name. Both must have the same value."""
    try:
        other = field.run_validation(_value_of(field, data, alias))
    except ValidationError as error:
        errors = _field_errors(ValidationError({alias: error.detail}), {})
        return [] if data[alias] == data[name] else errors
    try:
        if field.run_validation(_value_of(field, data, name)) == other:
            return []
    except ValidationError:
        pass  # reported as an error of the canonical name
    return [FieldError(alias, "conflicting_fields", f"It is the same as {name}; send one of them.")]


def _value_of(field: Any, data: Mapping[str, Any], key: str) -> Any:
    """The value as the field reads it under its own name: in a form an empty text may be null."""
    if isinstance(data, QueryDict):
        alone = QueryDict(mutable=True)
        alone.setlist(field.field_name, data.getlist(key))
        return field.get_value(alone)
    return data[key]


# --- fields of responses ---


@cache
def response_fields(view_class: type) -> frozenset[str]:
    """The fields of a route's successful responses, and those of `shown_elsewhere`."""
    names: set[str] = set()
    for method in ("get", "post", "put", "patch", "delete"):
        responses = getattr(getattr(view_class, method, None), "responses", None)
        for response in responses.values() if isinstance(responses, dict) else [responses]:
            names |= _fields_of(getattr(response, "response", response))
    for serializer_class in getattr(view_class, "shown_elsewhere", ()):
        names |= _fields_of(serializer_class)
    return frozenset(names)


def _fields_of(response: Any) -> set[str]:
    if isinstance(response, type) and issubclass(response, BaseSerializer):
        response = response()
    if isinstance(response, ListSerializer):
        response = response.child
    return set(response.fields) if isinstance(response, Serializer) else set()
