"""Groups in the admin. They hold permissions, so only superusers see and change them.

Whoever could change a group that they are in could give themselves every permission.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from config.api.staff_rights import has_every_right

admin.site.unregister(Group)


@admin.register(Group)
class SuperusersGroupAdmin(GroupAdmin):
    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_for(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_for(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_for(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_for(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_for(request)


def _is_for(request: HttpRequest) -> bool:
    return has_every_right(request.user)
