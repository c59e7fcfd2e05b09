"""Watchlists and their symbols as JSON documents."""

from typing import Any

from rest_framework import serializers

from etftrader.core.api.fields import moment
from portfolios.models import Watchlist, WatchlistItem
from portfolios.selectors.watchlists import Standing


class ListRow(serializers.Serializer):
    """A watchlist of a page."""

    def to_representation(self, instance: Watchlist) -> dict[str, Any]:
        """Write it."""
        return list_document(instance)


class ItemRow(serializers.Serializer):
    """A symbol of a page; the view knows how each stands."""

    def to_representation(self, instance: WatchlistItem) -> dict[str, Any]:
        """Write it."""
        return item_document(instance, self.context["view"].standings[instance.pk])


def list_document(row: Any) -> dict[str, Any]:
    """A list on the wire; its number of symbols comes with the row."""
    customer = getattr(row.user, "customer", None)
    return {
        "id": str(row.pk),
        "url": f"/api/v1/watchlists/{row.pk}",
        "items_url": f"/api/v1/watchlist-items?watchlist={row.pk}",
        "customer": str(customer.pk) if customer else None,
        "name": row.name,
        "order": row.order,
        "item_count": row.item_count,
        "version": row.version,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }


def item_document(row: WatchlistItem, standing: Standing) -> dict[str, Any]:
    """A symbol on the wire: what it is, how it stands, what may have been meant."""
    return {
        "id": str(row.pk),
        "url": f"/api/v1/watchlist-items/{row.pk}",
        "watchlist": str(row.watchlist_id),
        "symbol": row.symbol,
        "instrument": str(row.instrument_id) if row.instrument_id else None,
        "name": row.instrument.name if row.instrument else None,
        "state": str(standing.state),
        "reason": standing.reason or None,
        "suggestions": [{"symbol": each.symbol, "name": each.name} for each in standing.near],
        "note": row.note,
        "order": row.order,
        "version": row.version,
        "added_at": moment(row.created_at),
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }
