"""The admin's site object: it has no sign-in, sign-out or password page of its own."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from etftrader.core.errors import NotAllowed
from portfolios.views.accounts import SignOut


class Site(AdminSite):
    """Our admin: plain Django, grouped by task.

    People come in and go out by the pages' own doors, which count tries, list sign-ins and end
    everything else when a password changes.
    """

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take a library's model with our admin, or not at all."""
        # the classes of admins need the models, which are loaded when the first one registers
        from etftrader.admin_borrowed import OURS

        single = isinstance(model_or_iterable, type) and issubclass(model_or_iterable, Model)
        for model in [model_or_iterable] if single else model_or_iterable:
            ours = OURS.get(model._meta.label, admin_class)
            if ours is not None or model._meta.label not in OURS:
                super().register(model, ours, **options)

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send to the sign-in page and back; who is signed in without the right is told so."""
        wanted = request.GET.get(REDIRECT_FIELD_NAME) or reverse(
            "admin:index", current_app=self.name
        )
        if self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index", current_app=self.name))
        if request.user.is_authenticated:
            # sending them to sign in would send them back here
            raise NotAllowed("The admin is for staff.")
        query = urlencode({REDIRECT_FIELD_NAME: wanted})
        return HttpResponseRedirect(f"{reverse('login')}?{query}")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Sign out as from any page: the sign-in leaves the list too."""
        return SignOut.as_view()(request)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The page that ends every other sign-in with the old password."""
        return HttpResponseRedirect(reverse("password_change"))
