"""Tags, strategies and saved views as JSON documents."""

from typing import Any

from rest_framework import serializers

from etftrader.core.api.fields import moment
from etftrader.core.money import plain
from portfolios.api import group_documents
from portfolios.api.documents import BASE
from portfolios.models import Position, SavedView
from portfolios.selectors.strategies import Strategy
from portfolios.selectors.tags import Mark, Marked, spelled


class TagRow(serializers.Serializer):
    """A tag of a page."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Write it."""
        return tag(instance)


class StrategyRow(serializers.Serializer):
    """A strategy of a page."""

    def to_representation(self, instance: Strategy) -> dict[str, Any]:
        """Write it."""
        return strategy(instance)


class ViewRow(serializers.Serializer):
    """A saved view of a page."""

    def to_representation(self, instance: SavedView) -> dict[str, Any]:
        """Write it."""
        return saved_view(instance)


def tag(row: Any) -> dict[str, Any]:
    """A tag on the wire; how much it is used comes with the row."""
    return {
        "id": str(row.pk),
        "url": f"{BASE}/tags/{row.pk}",
        "name": row.name,
        "kind": row.kind,
        "word": spelled(row.kind, row.name),
        "colour": row.colour,
        "description": row.description,
        "usage_count": row.usage_count,
        "open_count": row.open_count,
        "last_used_at": moment(row.last_used_at) if row.last_used_at else None,
        "archived_at": moment(row.archived_at) if row.archived_at else None,
        "version": row.version,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }


def tags_of(row: Position, marked: Marked) -> dict[str, Any]:
    """The tags of a position; `version` counts their changes, not those of the position."""
    return {
        "position": str(row.pk),
        "url": f"{BASE}/positions/{row.pk}/tags",
        "symbol": row.instrument.symbol,
        "tags": [_mark(each) for each in (*marked.tags, *marked.strategies)],
        "version": row.tags_version,
    }


def _mark(each: Mark) -> dict[str, Any]:
    return {"name": each.name, "kind": each.kind, "word": each.word, "colour": each.colour}


def strategy(found: Strategy) -> dict[str, Any]:
    """A strategy with its sums and its legs."""
    nav, gross = found.nav, found.gross
    return {
        "name": found.sums.of.label,
        "word": spelled("strategy", found.sums.of.label),
        "colour": found.sums.of.colour,
        **group_documents.sums(found.sums, nav, gross),
        "realized_pnl": plain(found.realized_pnl),
        "realized_reason": found.realized_reason,
        "legs": [
            {
                "position": str(row.mark.position_id),
                "portfolio": str(row.portfolio.pk),
                "symbol": row.each.line.symbol,
                "type": row.type,
                "quantity": plain(row.each.line.quantity),
                "exposure": plain(row.each.exposure),
                "delta_exposure": plain(row.each.delta_exposure),
                "unrealized_pnl": plain(row.each.unrealized_pnl),
                "reason": row.each.reason,
            }
            for row in found.legs
        ],
    }


def saved_view(row: SavedView) -> dict[str, Any]:
    """A saved view on the wire."""
    return {
        "id": str(row.pk),
        "url": f"{BASE}/saved-views/{row.pk}",
        "name": row.name,
        "query": row.query,
        "is_default": row.is_default,
        "version": row.version,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }
