"""Every prefix: pages, /api/v1, /api (oldest aliases), /admin, /health."""

urlpatterns: list = []
