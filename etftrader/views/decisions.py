"""What pages share on which a person decides: the reason asked for, the answer, who decided."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse

from etftrader.core.actor import Actor
from etftrader.core.pages import UNPROCESSABLE, render_page
from etftrader.views.back import in_place
from etftrader.views.permissions import may_operate


class ReasonField(forms.CharField):
    """Why a person decides as they do; the audit line keeps it."""

    def __init__(self, **how: Any) -> None:
        given: dict[str, Any] = {
            "max_length": 300,
            "label": "Reason",
            "widget": forms.TextInput(attrs={"autocomplete": "off"}),
            "error_messages": {"required": "Say why; the audit line keeps it."},
        }
        super().__init__(**given | how)


def asked(
    request: HttpRequest,
    page: str,
    dialog: str,
    context: Mapping[str, Any],
    *,
    panels: Mapping[str, str],
) -> HttpResponse:
    """The form of `context` on its page, or as the dialog of a list; 422 once it was sent."""
    template = dialog if in_place(request, "decision") else page
    status = UNPROCESSABLE if context["form"].is_bound else 200
    return render_page(request, template, context, panels=panels, status=status)


def name_of(actor: Actor, user_id: UUID | None, name: str) -> str:
    """Who decided; of others' names only those who operate read them."""
    if user_id is not None and user_id == actor.user_id:
        return "you"
    return name if actor.reads_all or may_operate(actor) else "an operator"


def choice(name: str, label: str, value: str, words: Mapping[str, str]) -> dict[str, Any]:
    """A filter with its choices, as the bar of a list draws it."""
    choices = [{"value": each, "label": text} for each, text in words.items()]
    return {"name": name, "label": label, "value": value, "choices": choices}
