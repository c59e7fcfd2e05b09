"""The matrices of the sessions after the start."""

from datetime import date

import numpy as np
import pytest

from risk.choices import CovarianceKind
from risk.models import CovarianceSnapshot
from risk.selectors import covariance as matrices
from risk.services import covariance
from risk.tests import factories
from risk.tests.services.test_covariance import closes_on

pytestmark = pytest.mark.django_db

SESSIONS = (date(2016, 6, 22), date(2016, 6, 23), date(2016, 6, 24))
STORY = (9_924.57, 11_518.85, 18_806.18)  # product.md 2.5


def test_the_story_of_the_referendum_comes_out_to_the_cent():
    factories.load_bundle(SESSIONS[-1])

    for day, expected in zip(SESSIONS, STORY, strict=True):
        covariance.compute_daily(session_date=day)
        matrix = matrices.in_force(session_date=day)
        value = np.array(
            [
                factories.ROTATION.get(s, 0)
                * (closes_on(s, day) if s in factories.ROTATION else 0.0)
                for s in matrix.labels
            ]
        )
        var = 1.6448536269514722 * np.sqrt(value @ matrix.values @ value)
        assert var == pytest.approx(expected, abs=0.005)


def test_the_stressed_matrix_stays_while_the_universe_does():
    factories.load_bundle(date(2016, 6, 23))
    covariance.compute_daily(session_date=factories.START)
    first = covariance.ensure_stressed(session_date=factories.START)
    covariance.compute_daily(session_date=date(2016, 6, 23))

    assert covariance.ensure_stressed(session_date=date(2016, 6, 23)).pk == first.pk
    assert CovarianceSnapshot.objects.filter(kind=CovarianceKind.STRESSED).count() == 1
