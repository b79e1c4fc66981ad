"""Model instances and tuples from the columns that the driver returns.

A row has the columns that its query selects, as after `QuerySet.only()`. Django's own iterables
call the constructor of each model, which takes a hundred times longer.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from django.db import connections
from django.db.models import JSONField, QuerySet
from django.db.models.base import ModelState
from django.db.models.query import ModelIterable, ValuesListIterable

RowFactory = Callable[[tuple[Any, ...], str], Any]


class NotCompilable(Exception):
    """The query needs something that only the ORM does. The ORM runs it."""


def row_factory(queryset: QuerySet[Any], compiler: Any) -> RowFactory | None:
    """A function from columns and a database alias to a row of the queryset.

    The row is an instance of the model with its related instances, or a tuple for a `values_list`.
    None: the columns need no conversion. Raises `NotCompilable`.
    """
    rows: Any = queryset
    if rows._prefetch_related_lookups or rows._db:
        raise NotCompilable
    converters = {
        position: (conversions, expression)
        for position, (conversions, expression) in compiler.get_converters(
            [expression for expression, _, _ in compiler.select]
        ).items()
        if not _is_read_by_driver(expression)
    }
    if rows._iterable_class is ValuesListIterable:
        return _tuple_factory(converters) if converters else None
    if rows._iterable_class is not ModelIterable:
        raise NotCompilable
    if converters.keys() - set(compiler.annotation_col_map.values()):
        raise NotCompilable  # a column of the model needs a conversion
    return _model_factory(compiler, converters)


def _is_read_by_driver(expression: Any) -> bool:
    """Whether a column is JSON, which the driver decodes where it is sent in binary format."""
    field = expression.output_field
    return type(field) is JSONField and field.decoder is None


def _model_factory(compiler: Any, converters: Any) -> RowFactory:
    info, select = compiler.klass_info, compiler.select
    annotations = [
        (name, position, *converters.get(position, ((), None)))
        for name, position in compiler.annotation_col_map.items()
    ]
    main = _instance_factory(info, select)
    related_infos = info.get("related_klass_infos", [])
    if any(each.get("related_klass_infos") for each in related_infos):
        raise NotCompilable
    related = [
        (each["field"].name, _instance_factory(each, select), _key_position(each, select))
        for each in related_infos
    ]

    def row(columns: tuple[Any, ...], alias: str) -> Any:
        instance = main(columns, alias)
        cache = instance._state.fields_cache
        for name, make, key in related:
            cache[name] = None if columns[key] is None else make(columns, alias)
        for name, position, conversions, expression in annotations:
            value = columns[position]
            for convert in conversions:
                value = convert(value, expression, connections[alias])
            instance.__dict__[name] = value
        return instance

    return row


def _key_position(info: Any, select: Any) -> int:
    """The position of the primary key among the selected columns."""
    positions: list[int] = info["select_fields"]
    return next(position for position in positions if select[position][0].target.primary_key)


def _tuple_factory(converters: Any) -> RowFactory:
    def row(columns: tuple[Any, ...], alias: str) -> tuple[Any, ...]:
        values = list(columns)
        for position, (conversions, expression) in converters.items():
            for convert in conversions:
                values[position] = convert(values[position], expression, connections[alias])
        return tuple(values)

    return row


def _instance_factory(info: Any, select: Any) -> RowFactory:
    model = info["model"]
    if model._meta.concrete_model is not model or model._meta.parents:
        raise NotCompilable
    positions = info["select_fields"]
    names = [select[position][0].target.attname for position in positions]
    pick = itemgetter(*positions) if len(positions) > 1 else None
    first = positions[0]

    def make(columns: tuple[Any, ...], alias: str) -> Any:
        values = pick(columns) if pick else (columns[first],)
        return loaded_row(model, dict(zip(names, values, strict=True)), alias)

    return make


def loaded_row(model: type[Any], values: dict[str, Any], alias: str) -> Any:
    """An instance of `model` as `QuerySet.only()` loads it from the database `alias`.

    A field that is not in `values` is fetched on first access.
    """
    row: Any = object.__new__(model)
    state = ModelState()
    state.adding, state.db = False, alias
    row.__dict__.update(values, _state=state)
    return row
