"""Rows of tags and saved views in the lists of T-19, T-20 and T-41."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from etftrader.core import clock
from portfolios.models import Portfolio, Position, PositionTag, SavedView, Tag, User
from trading.tests import world

V1 = "/api/v1"
T, TAGS = f"{V1}/tags/<uuid:tag_id>", f"{V1}/positions/<uuid:position_id>/tags"
VIEW = f"{V1}/saved-views/<uuid:view_id>"
ANY = {"HTTP_IF_MATCH": "*"}


def make(book: Portfolio, owner: User, name: str = "Followed") -> dict[str, Any]:
    """A tag on a position, and a view, by the names of the addresses."""
    if not Position.objects.filter(portfolio=book).exists():
        book = world.make_portfolio(user=owner, name=name)  # the other may have to be empty
        world.hold(book, "AAA", "10")
    position = Position.objects.filter(portfolio=book).order_by("pk")[0]
    tag = Tag.objects.create(user=owner, name=name)
    PositionTag.objects.create(tag=tag, position=position)
    view = SavedView.objects.create(user=owner, name=name, query={"type": "LONG"})
    return {"tag_id": tag.pk, "view_id": view.pk, "position_id": position.pk}


def lock(ids: dict[str, Any]) -> None:
    """Hold every row of `make` until the transaction ends."""
    Tag.objects.select_for_update().get(pk=ids["tag_id"])
    SavedView.objects.select_for_update().get(pk=ids["view_id"])
    Position.objects.select_for_update().get(pk=ids["position_id"])


def of_tag(stage: SimpleNamespace) -> int:
    return Tag.objects.get(pk=stage.ids["tag_id"]).version


def of_tags(stage: SimpleNamespace) -> int:
    return Position.objects.get(pk=stage.ids["position_id"]).tags_version


def of_view(stage: SimpleNamespace) -> int:
    return SavedView.objects.get(pk=stage.ids["view_id"]).version


EDITABLE: dict[str, tuple[list[dict[str, Any]], Callable[[SimpleNamespace], int]]] = {
    f"PATCH {T}": ([{"name": "Left"}, {"name": "Right"}], of_tag),
    f"DELETE {T}": ([{}, {}], of_tag),
    f"PUT {TAGS}": ([{"tags": ["left"]}, {"tags": ["right"]}], of_tags),
    f"PATCH {VIEW}": ([{"name": "Left"}, {"name": "Right"}], of_view),
}
GONE: dict[str, Callable[[SimpleNamespace], int]] = {f"DELETE {VIEW}": of_view}
BATCHES = {f"PATCH {V1}/tags/batch", f"DELETE {V1}/tags/batch"}


def made(stage: SimpleNamespace) -> dict[str, Any]:
    return make(stage.book, stage.owner, name="Prepared")


def archived(stage: SimpleNamespace) -> dict[str, Any]:
    found = made(stage)
    Tag.objects.filter(pk=found["tag_id"]).update(archived_at=clock.now())
    return found


def of_all(stage: SimpleNamespace) -> dict[str, Any]:
    return {"positions": [str(made(stage)["position_id"])], "add": ["core"]}


def one(**changes: Any) -> Callable[[SimpleNamespace], list[dict[str, Any]]]:
    """A batch of one tag that is there."""
    return lambda stage: [{"id": str(made(stage)["tag_id"])} | changes]


AUDITED: dict[str, Any] = {
    f"POST {V1}/tags": ({"name": "Mine"}, {}, None),
    f"POST {V1}/tags/batch": ([{"name": "Mine"}], {}, None),
    f"PATCH {V1}/tags/batch": (one(name="Other"), {}, None),
    f"DELETE {V1}/tags/batch": (one(), {}, None),
    f"PATCH {T}": ({"name": "Other"}, ANY, made),
    f"DELETE {T}": ({}, ANY, made),
    f"POST {T}/restore": ({}, {}, archived),
    f"POST {V1}/tags/bulk-assign": (of_all, {}, None),
    f"PUT {TAGS}": ({"tags": ["core"]}, ANY, made),
    f"POST {V1}/saved-views": ({"name": "Mine", "query": {}}, {}, None),
    f"PATCH {VIEW}": ({"name": "Other"}, ANY, made),
    f"DELETE {VIEW}": ({}, ANY, made),
}
# bodies in which only the id decides
BODIES: dict[str, Any] = {
    f"POST {V1}/tags": {"name": "New"},
    f"POST {V1}/tags/bulk-assign": {"add": ["new"]},
    f"PUT {TAGS}": {"tags": ["new"]},
    f"POST {V1}/saved-views": {"name": "New", "query": {}},
}
