"""Serializer fields of the wire: exact amounts as strings, finite estimates, bounded integers."""

import math
from datetime import UTC
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from etftrader.core import money

MAX_INTEGER = 2**31 - 1
_TOLERATED = frozenset({"confirm_duplicate"})


class StrictSerializer(serializers.Serializer):
    """A body in which an unknown field is an error, not something to ignore."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what is not a field."""
        unknown = set(data) - set(self.fields) - _TOLERATED if isinstance(data, dict) else set()
        if unknown:
            raise ValidationError(
                {
                    str(name)[:60]: [
                        serializers.ErrorDetail("Unknown field.", code="unknown_field")
                    ]
                    for name in sorted(unknown, key=str)
                }
            )
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "pattern": r"^[+-]?\d{1,12}(\.\d{1,8})?$"})
class MoneyField(serializers.Field):
    """An amount, price or quantity: a decimal string both ways; a plain number is read too."""

    default_error_messages = {
        "invalid": "A plain decimal number, like 12.50.",
        "min_value": "Must not be below {limit}.",
        "above_zero": "Must be greater than 0.",
        "max_value": "Must not be above {limit}.",
    }

    def __init__(
        self,
        *,
        min_value: Decimal | None = None,
        max_value: Decimal = money.MAX_AMOUNT,
        positive: bool = False,
        **kwargs: Any,
    ) -> None:
        self.low, self.high, self.positive = min_value, max_value, positive
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        """Read an amount."""
        if isinstance(data, bool) or not isinstance(data, str | int | float):
            self.fail("invalid")
        try:
            value = money.parse_amount(data if isinstance(data, str) else _spell(data))
        except ValueError:
            self.fail("invalid")
        if self.positive and value <= 0:
            self.fail("above_zero")
        if self.low is not None and value < self.low:
            self.fail("min_value", limit=self.low)
        if abs(value) > self.high:
            self.fail("max_value", limit=self.high)
        return value

    def to_representation(self, value: Decimal) -> str | None:
        """Write it without an exponent."""
        return money.plain(Decimal(value))


def _spell(number: float) -> str:
    return format(Decimal(str(number)), "f")


class EstimateField(serializers.FloatField):
    """A float that is finite or null; `true` is not a number."""

    def to_internal_value(self, data: Any) -> float:
        """Refuse booleans and words for infinity."""
        if isinstance(data, bool):
            self.fail("invalid")
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            self.fail("invalid")
        return value

    def to_representation(self, value: Any) -> float | None:  # type: ignore[override]
        """Null for what is no number."""
        number = float(value)
        return number if math.isfinite(number) else None


class WholeField(serializers.IntegerField):
    """A whole number with both ends; ASCII digits only."""

    def __init__(self, *, min_value: int = 0, max_value: int = MAX_INTEGER, **kwargs: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        """Refuse booleans, floats and foreign digits."""
        if isinstance(data, bool | float) or not str(data).isascii():
            self.fail("invalid")
        return super().to_internal_value(data)


class MomentField(serializers.DateTimeField):
    """RFC 3339, UTC, milliseconds, Z."""

    def to_representation(self, value: Any) -> Any:
        """Write a moment."""
        if value is None or isinstance(value, str):
            return value
        return moment(value)


def moment(value: Any) -> str:
    """The text of an aware moment of any zone: 2026-11-20T19:32:08.114Z."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
