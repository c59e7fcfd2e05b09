"""Rows of lists: serializers that write the documents."""

from typing import Any

from rest_framework import serializers

from portfolios.api import documents, import_documents


class PortfolioRow(serializers.Serializer):
    """A portfolio of a list, with its newest snapshot."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Write it."""
        if self.context.get("past") is not None:
            return documents.portfolio_at(instance.portfolio, instance.role, instance.snapshot)
        return documents.portfolio(instance.portfolio, instance.role, instance.snapshot)


class PositionRow(serializers.Serializer):
    """A position of a list, valued."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Write it."""
        return documents.position(instance)


class CashRow(serializers.Serializer):
    """A cash transaction."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Write it."""
        return documents.cash_paper(instance, self.context.get("past"))


class SnapshotRow(serializers.Serializer):
    """A snapshot."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Write it."""
        return documents.snapshot(instance)


class ImportBatchRow(serializers.Serializer):
    """An import."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Write it."""
        return import_documents.import_batch(instance)


class ImportedRow(serializers.Serializer):
    """A row of an import."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Write it."""
        return import_documents.import_row(instance)


class AccountRow(serializers.Serializer):
    """An account."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Write it."""
        return documents.account(instance)
