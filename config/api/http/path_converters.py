"""The converter `<id:…>` of paths. Importing this module registers it."""

from django.urls import register_converter


class IdConverter:
    """A positive whole number in the range of bigint."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(IdConverter, "id")
