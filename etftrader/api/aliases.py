"""The short addresses under /api/ that answer like their canonical ones under /api/v1/."""

alias_urlpatterns: list = []
