"""The admin's site object."""

from django.contrib.admin import AdminSite


class Site(AdminSite):
    """Our admin: plain Django, grouped by task."""
