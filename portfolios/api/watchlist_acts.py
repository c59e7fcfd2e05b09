"""Acts on watchlists and on the symbols on them: one row or a batch, under the same rules."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from rest_framework.response import Response

from etftrader.core.api import batch, versions
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotFound
from marketdata.selectors import sessions
from portfolios.api.watchlist_documents import item_document, list_document
from portfolios.models import Watchlist, WatchlistItem
from portfolios.selectors import people
from portfolios.selectors import watchlists as read
from portfolios.services import watchlists as write


class Rows(ApiView):
    """What lists and their symbols share: how one of them is changed and taken out, or several."""

    def row(self, key: UUID | str) -> Any:
        """One's own row. Raises NotFound."""
        raise NotImplementedError

    def document(self, row: Any) -> dict[str, Any]:
        """A row on the wire."""
        raise NotImplementedError

    def change(self, row: Any, fields: dict[str, Any], version: int | None) -> Any:
        """The row as it is afterwards."""
        raise NotImplementedError

    def remove(self, row: Any, version: int | None) -> None:
        """Take the row out."""
        raise NotImplementedError

    def changed(self, request: Any, key: UUID, body: type[StrictSerializer]) -> Response:
        """One row changed as the body says, with its new entity tag."""
        row = self.row(key)
        version = versions.check(request, row)
        now = self.change(row, self.checked(body), version)
        return versions.tagged(Response(self.document(now)), now)

    def removed(self, request: Any, key: UUID) -> Response:
        """204 without a body."""
        row = self.row(key)
        self.remove(row, versions.check(request, row))
        return Response(status=204)

    def all_changed(self, request: Any, body: type[batch.Keyed]) -> Response:
        """The documents of a batch afterwards."""

        def alter(key: str, version: int | None, fields: dict[str, Any]) -> dict[str, Any]:
            return self.document(self.change(self.row(key), fields, version))

        return batch.change(request, serializer=body, alter=alter)

    def all_removed(self, request: Any) -> Response:
        """The documents of a batch as they were."""

        def drop(key: str, version: int | None) -> dict[str, Any]:
            row = self.row(key)
            told = self.document(row)
            self.remove(row, version)
            return told

        return batch.remove(request, drop=drop)


class Lists(Rows):
    """Rows that are lists."""

    def row(self, key: UUID | str) -> Watchlist:
        """One's own list, with how many symbols it has."""
        return read.one(actor=self.actor, watchlist_id=key)

    def document(self, row: Watchlist) -> dict[str, Any]:
        """One list on the wire."""
        return list_document(row)

    def change(self, row: Watchlist, fields: dict[str, Any], version: int | None) -> Watchlist:
        """The list with its new name or place."""
        write.update(watchlist_id=row.pk, changes=fields, if_match_version=version, by=self.actor)
        return self.row(row.pk)

    def remove(self, row: Watchlist, version: int | None) -> None:
        """Delete the list with what is on it."""
        write.delete(watchlist_id=row.pk, if_match_version=version, by=self.actor)

    def made(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The document of a new list. Raises BadInput for a customer who is not the caller."""
        customer = asked.get("customer")
        me = people.me(self.actor)
        if customer is not None and customer != getattr(getattr(me, "customer", None), "pk", None):
            raise BadInput("You are no such customer.", attr="customer", code="does_not_exist")
        made = write.create(user=me, name=asked["name"], order=asked.get("order"), by=self.actor)
        return self.document(self.row(made.pk))


class Items(Rows):
    """Rows that are symbols on lists."""

    def row(self, key: UUID | str) -> WatchlistItem:
        """A symbol on one's own list."""
        return read.item(actor=self.actor, item_id=key)

    def document(self, row: WatchlistItem) -> dict[str, Any]:
        """One symbol on the wire, with how it stands."""
        return item_document(row, read.standings([row])[row.pk])

    def documents(self, rows: Sequence[WatchlistItem]) -> None:
        """Learn how the rows of a page stand, at once."""
        self.standings = read.standings(rows)

    def change(
        self, row: WatchlistItem, fields: dict[str, Any], version: int | None
    ) -> WatchlistItem:
        """The item with its new symbol, note or place."""
        return write.change(
            item_id=row.pk,
            changes=fields,
            if_match_version=version,
            session_date=sessions.latest(),
            by=self.actor,
        )

    def remove(self, row: WatchlistItem, version: int | None) -> None:
        """Take the symbol off its list."""
        write.remove(item_id=row.pk, if_match_version=version, by=self.actor)

    def added(self, asked: dict[str, Any]) -> WatchlistItem:
        """Put the symbol of a checked body on its list. Raises BadInput with the field."""
        words = {asked[name].strip().upper() for name in ("symbol", "instrument") if name in asked}
        if len(words) != 1:
            said = "Send symbol." if not words else "symbol and instrument name different things."
            raise BadInput(said, attr="symbol", code="contradiction" if words else "required")
        try:
            return write.add(
                watchlist_id=asked["watchlist"],
                symbol=words.pop(),
                note=asked.get("note", ""),
                order=asked.get("order"),
                by=self.actor,
            )
        except NotFound as error:
            raise BadInput(error.detail, attr="watchlist", code="does_not_exist") from error
