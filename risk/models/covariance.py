"""Covariance matrices as they were computed: labels, window, method, checksum."""

from django.db import models

from etftrader.core.models import Entity, EstimateField, SharedQuerySet, VectorField
from risk.choices import CovarianceKind


class CovarianceSnapshot(Entity):
    """One matrix of daily returns per kind and session; a recomputation raises `revision`."""

    kind = models.CharField(max_length=8, choices=CovarianceKind.choices)
    session_date = models.DateField()
    labels = models.JSONField()  # symbols, sorted
    matrix = VectorField()  # lower triangle row by row, n(n+1)/2
    flags = models.JSONField(default=dict)  # symbol -> short_history, synthetic …
    decay = EstimateField(null=True, blank=True)
    window_start = models.DateField()
    window_end = models.DateField()
    observations = models.PositiveIntegerField()
    condition_number = EstimateField(null=True, blank=True)
    repair_distance = EstimateField(default=0.0)  # Frobenius, of the correlations
    method = models.CharField(max_length=40)
    checksum = models.CharField(max_length=64)
    warnings = models.JSONField(default=list)
    revision = models.PositiveSmallIntegerField(default=1)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "session_date"], name="one_matrix_per_session")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.session_date} #{self.pk}"
