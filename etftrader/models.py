"""The roof's tables, and those of the ground floor, which Django finds here."""

from etftrader.core.records import AuditEvent, IdempotencyKey, JobRun, OutboxEvent

__all__ = ["AuditEvent", "IdempotencyKey", "JobRun", "OutboxEvent"]
