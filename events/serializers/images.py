"""The upload of an event's image."""

from typing import Any

from rest_framework import serializers

from config.api.fields import LineField

FORM_EXAMPLE = {"image": "The bytes of the file.", "alt": "A full hall, seen from the stage"}


class EventImageIn(serializers.Serializer[Any]):
    """A form with the image."""

    schema_name = "EventImageUpload"

    image = serializers.FileField(
        allow_empty_file=True, help_text="JPEG, PNG or WebP, at most 8 MB and 40 megapixels."
    )
    alt = LineField(max_length=500, help_text="What the image shows, for who cannot see it.")


class EventImageAltIn(serializers.Serializer[Any]):
    """The query of a body that is the image."""

    alt = LineField(max_length=500)
