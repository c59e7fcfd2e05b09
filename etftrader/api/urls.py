"""The addresses of the roof's endpoints under /api/v1/."""

roof_urlpatterns: list = []
