"""Baskets on the wire, and the bodies that ask for them."""

from typing import Any

from rest_framework import serializers

from etftrader.core.api.fields import MomentField, StrictSerializer
from trading import live
from trading.api.serializers import OrderSerializer, TicketBody, ticket_of
from trading.choices import BasketKind, BasketState
from trading.constants import BASKET_LEGS, CLIENT_BASKET_ID_LENGTH, NOTE_LENGTH
from trading.models import Basket
from trading.selectors import baskets as read
from trading.services.basket_tickets import BasketTicket


class LegBody(TicketBody):
    """One leg: an order without a name and a note of its own."""

    client_order_id = None  # type: ignore[assignment]
    note = None  # type: ignore[assignment]
    confirm_duplicate = None  # type: ignore[assignment]


class BasketBody(StrictSerializer):
    """Two to fifty legs in the order in which they are judged; a spread has two to four."""

    kind = serializers.ChoiceField(choices=BasketKind.choices, default=BasketKind.BASKET)
    legs = serializers.ListField(child=LegBody(), max_length=BASKET_LEGS[1])
    client_basket_id = serializers.CharField(max_length=CLIENT_BASKET_ID_LENGTH, required=False)
    note = serializers.CharField(max_length=NOTE_LENGTH, required=False, allow_blank=True)
    confirm_duplicate = serializers.BooleanField(required=False)

    def ticket(self, key: str | None = None) -> BasketTicket:
        """The basket; without a name of its own the idempotency key is it, where it fits."""
        said: dict[str, Any] = self.validated_data
        name = key if key and len(key) <= CLIENT_BASKET_ID_LENGTH else ""
        return BasketTicket(
            legs=tuple(ticket_of(each | {"note": said.get("note", "")}) for each in said["legs"]),
            kind=said["kind"],
            client_basket_id=said.get("client_basket_id") or name,
            note=said.get("note", ""),
        )


class BasketSerializer(serializers.ModelSerializer):
    """One basket with its orders; where it stands follows from them."""

    url = serializers.SerializerMethodField()
    portfolio = serializers.UUIDField(source="portfolio_id")
    kind = serializers.ChoiceField(choices=BasketKind.choices)
    spread_name = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()
    reasons = serializers.SerializerMethodField()
    check_id = serializers.UUIDField(source="check_made_id")
    check_url = serializers.SerializerMethodField()
    legs = OrderSerializer(many=True, source="legs.all")
    placed_by = serializers.CharField(source="placed_by.email", allow_null=True, default=None)
    placed_as_of = MomentField()
    version = serializers.SerializerMethodField()
    created_at = MomentField()

    class Meta:
        model = Basket
        fields = (
            "id",
            "url",
            "portfolio",
            "client_basket_id",
            "kind",
            "spread_name",
            "state",
            "reasons",
            "check_id",
            "check_url",
            "note",
            "legs",
            "placed_as_of",
            "session_date",
            "placed_by",
            "version",
            "created_at",
        )
        read_only_fields = fields

    def get_url(self, basket: Basket) -> str:
        """The canonical address."""
        return live.basket_url(basket.pk)

    def get_spread_name(self, basket: Basket) -> str | None:
        """What a spread is called."""
        return basket.spread_name or None

    def get_state(self, basket: Basket) -> BasketState:
        """Where its orders stand together."""
        return read.state(basket)

    def get_reasons(self, basket: Basket) -> list[str]:
        """Why it, or what waited of it, was refused."""
        return read.reasons(basket)

    def get_check_url(self, basket: Basket) -> str:
        """Where the check that counted can be read."""
        return live.check_url(basket)

    def get_version(self, basket: Basket) -> int:
        """Grows with every change of an order of it."""
        return read.version(basket)
