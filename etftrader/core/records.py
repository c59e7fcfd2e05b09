"""Jobs, announcements, stored answers and audit lines: rows written with what causes them.

Plain ids instead of foreign keys: the ground floor names no portfolio and no user table.
"""

import uuid
from typing import Any, Self

from django.db import models
from django.db.models import Q

from etftrader.core.actor import Actor
from etftrader.core.models import StaffQuerySet

OPEN = ("queued", "running")
ASKED = "waiting"  # the status of an item that the next attempt of a run is to do


class JobQuerySet(models.QuerySet):
    """Jobs a person may see: the ones asked for, all of them for staff who may read."""

    def for_actor(self, actor: Actor, action: str = "view") -> Self:
        """Staff who may read see every run, others the runs they requested."""
        if actor.reads_all:
            return self
        return self.filter(requested_by=actor.user_id) if actor.user_id else self.none()


class JobRun(models.Model):
    """One run of a job for one scope and session: lease, attempts, outcome. Written by workers."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        PARTIAL = "partial"
        FAILED = "failed"
        CANCELLED = "cancelled"
        SKIPPED = "skipped"
        DEAD = "dead"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.CharField(max_length=100)  # a registered task name
    step = models.CharField(max_length=40, blank=True)  # of the day, if it is one
    scope = models.CharField(max_length=120, default="all")
    as_of = models.DateField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    inputs = models.JSONField(default=dict)
    inputs_hash = models.CharField(max_length=64, blank=True)
    portfolio_ids = models.JSONField(default=list)
    attempt = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    enqueued_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    code_version = models.CharField(max_length=40, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    note = models.CharField(max_length=200, blank=True)  # the step the run is at, in words
    counts = models.JSONField(default=dict)
    items = models.JSONField(default=list)  # per item: {item, status, reason}
    warnings = models.JSONField(default=list)
    result = models.JSONField(default=dict)
    error = models.JSONField(null=True, blank=True)
    requested_by = models.UUIDField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        app_label = "etftrader"
        constraints = [
            models.UniqueConstraint(fields=["job", "scope", "as_of"], name="job_runs_once"),
            models.UniqueConstraint(
                fields=["job", "inputs_hash"],
                condition=Q(status__in=OPEN) & ~Q(inputs_hash=""),
                name="job_open_once_per_inputs",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "lease_until"], name="job_to_sweep"),
            models.Index(fields=["as_of", "step"], name="job_by_session"),
            models.Index(fields=["-created_at"], name="job_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.as_of} {self.status} #{self.pk}"


class OutboxEvent(models.Model):
    """An announcement, written in the transaction that causes it."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=80)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    objects = StaffQuerySet.as_manager()

    class Meta:
        app_label = "etftrader"
        indexes = [
            models.Index(
                fields=["id"], condition=Q(delivered_at__isnull=True), name="outbox_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"


class IdempotencyKey(models.Model):
    """A stored answer: the same key gives the same effect and the same words."""

    id = models.BigAutoField(primary_key=True)
    user_id = models.UUIDField()
    operation = models.CharField(max_length=120)
    key = models.CharField(max_length=80)
    fingerprint = models.CharField(max_length=64)
    money = models.BooleanField(default=False)  # kept for ever
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField()

    objects = StaffQuerySet.as_manager()

    class Meta:
        app_label = "etftrader"
        constraints = [
            models.UniqueConstraint(
                fields=["user_id", "operation", "key"], name="one_effect_per_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.key} #{self.pk}"


class AuditEvent(models.Model):
    """Who did what to which object, hash-linked to the line before it. Append-only."""

    id = models.BigAutoField(primary_key=True)
    chain = models.CharField(max_length=40)  # a portfolio id, or "site"
    seq = models.PositiveIntegerField()
    actor_id = models.UUIDField(null=True, blank=True)
    actor_label = models.CharField(max_length=254)
    action = models.CharField(max_length=80)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=64)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    recorded_at = models.DateTimeField()
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    objects = StaffQuerySet.as_manager()

    class Meta:
        app_label = "etftrader"
        constraints = [models.UniqueConstraint(fields=["chain", "seq"], name="audit_seq_is_dense")]
        indexes = [models.Index(fields=["object_type", "object_id"], name="audit_of_object")]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} #{self.pk}"

    def content(self) -> dict[str, Any]:
        """What the hash covers, in plain JSON types."""
        return {
            "chain": self.chain,
            "seq": self.seq,
            "actor": str(self.actor_id) if self.actor_id else None,
            "actor_label": self.actor_label,
            "action": self.action,
            "object": [self.object_type, self.object_id],
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "request": self.request_id,
            "recorded_at": self.recorded_at.isoformat(),
            "previous": self.previous_hash,
        }
