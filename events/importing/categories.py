"""The categories in the rows of a file."""

import re
from dataclasses import dataclass, field

from django.utils.text import slugify

from ..models import Category

# Names that differ from their capitalized slug.
_NAMES = {
    "api": "API",
    "cfml": "CFML",
    "cpp": "C++",
    "css": "CSS",
    "devops": "DevOps",
    "dotnet": ".NET",
    "graphql": "GraphQL",
    "ios": "iOS",
    "iot": "IoT",
    "javascript": "JavaScript",
    "opensource": "Open source",
    "php": "PHP",
    "sre": "SRE",
    "typescript": "TypeScript",
    "ux": "UX",
}


@dataclass
class Categories:
    """Looks categories up by slug or name. With `creates`, creates the missing ones."""

    creates: bool
    new: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = list(Category.objects.values_list("pk", "slug", "name"))
        self._by_slug = {slug: pk for pk, slug, _ in rows}
        self._by_name = {name.casefold(): pk for pk, _, name in rows}

    def knows(self, text: str) -> bool:
        return self._find(text) is not None

    def id_of(self, text: str) -> int:
        """The id of the category with this slug or name, which is created if it is missing."""
        category_id = self._find(text)
        if category_id is None:
            slug = slugify(text)
            category, is_new = Category.objects.get_or_create(
                slug=slug, defaults={"name": _category_name(text)}
            )
            category_id = self._by_slug[slug] = category.pk
            if is_new:
                self.new.append(slug)
        return category_id

    def _find(self, text: str) -> int | None:
        return self._by_slug.get(slugify(text)) or self._by_name.get(text.casefold())


def _category_name(text: str) -> str:
    """`text` if it has capitals. Otherwise a name of it, such as `Tech comm` for `tech-comm`."""
    if text != text.lower():
        return text
    return _NAMES.get(text) or text[0].upper() + re.sub(r"[-_]+", " ", text[1:])
