"""Columns: exact amounts, finite estimates, packed vectors."""

import math
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from django.core.exceptions import ValidationError
from django.db import models
from numpy.typing import NDArray

from etftrader.core.money import MAX_AMOUNT


class ExactField(models.Field):
    """A Decimal with fixed places: NUMERIC on PostgreSQL, a scaled 64-bit integer on SQLite.

    SQLite keeps Django's DecimalField as floating point, which loses digits of large amounts.
    """

    description = "Exact decimal amount"
    empty_strings_allowed = False

    def __init__(self, *args: Any, places: int = 6, **kwargs: Any) -> None:
        self.places = places
        self.limit = MAX_AMOUNT.scaleb(6 - places)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Add `places` to what a migration records, where it is not the default."""
        name, path, args, kwargs = super().deconstruct()
        if self.places != 6:
            kwargs["places"] = self.places
        return name, path, args, kwargs

    def get_internal_type(self) -> str:
        # not DecimalField: the SQLite backend would convert such columns from floating point
        return "ExactField"

    def db_type(self, connection: Any) -> str:
        return "bigint" if connection.vendor == "sqlite" else f"numeric(24, {self.places})"

    def rel_db_type(self, connection: Any) -> str:
        return self.db_type(connection)

    def db_check(self, connection: Any) -> str:
        """Refuse what is out of range; on PostgreSQL this also refuses NaN."""
        limit = int(self.limit)
        if connection.vendor == "sqlite":
            limit *= 10**self.places
        return f'abs("{self.column}") <= {limit}'

    def get_db_converters(self, connection: Any) -> list[Any]:
        return [self._from_db]

    def _from_db(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, float):
            raise TypeError(f"{self.name}: arithmetic on money in SQL gave a float")
        return Decimal(value).scaleb(-self.places)

    def to_python(self, value: Any) -> Decimal | None:
        """Read a Decimal, an int or plain text; floats are refused, they are not amounts."""
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, bool | float):
            raise ValidationError("Give an exact decimal number, not a float.", code="invalid")
        try:
            return Decimal(str(value))
        except InvalidOperation as error:
            raise ValidationError("Enter a decimal number.", code="invalid") from error

    def get_prep_value(self, value: Any) -> Decimal | None:
        """Check that the value is exact at our places and inside the range."""
        value = super().get_prep_value(value)
        if value is None:
            return None
        amount = self.to_python(value)
        assert amount is not None
        if not amount.is_finite() or abs(amount) > self.limit:
            raise ValueError(f"{self.name}: {value} is out of range")
        exact = amount.quantize(Decimal(1).scaleb(-self.places))
        if exact != amount:
            raise ValueError(f"{self.name}: {value} has more than {self.places} places")
        return exact

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        amount = value if prepared else self.get_prep_value(value)
        if amount is None or connection.vendor != "sqlite":
            return amount
        return int(Decimal(amount).scaleb(self.places))

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if hasattr(value, "as_sql"):
            return value
        return self.get_db_prep_value(value, connection)

    def formfield(self, **kwargs: Any) -> Any:
        from django import forms

        defaults: dict[str, Any] = {
            "form_class": forms.DecimalField,
            "decimal_places": self.places,
        }
        return super().formfield(**(defaults | kwargs))

    def value_to_string(self, obj: Any) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else str(value)


class EstimateField(models.FloatField):
    """A finite float64. A figure that could not be computed is null, its reason beside it."""

    def db_check(self, connection: Any) -> str:
        return f'abs("{self.column}") < 1e300'

    def get_prep_value(self, value: Any) -> float | None:
        value = super().get_prep_value(value)
        if value is not None and not hasattr(value, "as_sql") and not math.isfinite(value):
            raise ValueError(f"{self.name}: {value} is not finite; store null and a reason")
        return value


class VectorField(models.BinaryField):
    """A float64 vector as little-endian bytes; its labels stand in a column beside it."""

    # read by the type checker only: rows carry arrays, not the bytes of the column
    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if value is None:
            return None
        return np.frombuffer(bytes(value), dtype="<f8")

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is not None and not isinstance(value, bytes | memoryview):
            value = pack(value)
        return super().get_db_prep_value(value, connection, prepared)

    def value_to_string(self, obj: Any) -> str:
        value: Any = self.value_from_object(obj)
        return "" if value is None else pack(value).hex()


def pack(vector: NDArray[np.float64] | list[float]) -> bytes:
    """Write a vector as float64 bytes, little-endian."""
    return np.ascontiguousarray(vector, dtype="<f8").tobytes()
