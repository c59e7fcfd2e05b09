"""T-43: calculators on degenerate input give finite figures, or null and why; none is invented.

Generated: every kernel the specification names times every way its input can collapse, and every
address of a portfolio times every kind of book that has next to nothing in it.
Seeded fault it must catch: a ratio divides by a dispersion of zero.
"""

import copy
import json
import math
import warnings
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.test import Client

from etftrader.core.errors import DomainError
from etftrader.testing import matrix, quantities
from etftrader.testing.rows import module_rows
from etftrader.tests.test_vectors import VECTORS, needs_vectors
from portfolios.services import snapshots
from risk.services import covariance, var
from risk.tests import factories

FIRST: dict[str, dict[str, Any]] = {}
for _vector in VECTORS:
    if _vector["quantity"] in quantities.BUILT:
        FIRST.setdefault(_vector["quantity"], _vector["inputs"])

SCALARS: dict[str, dict[str, Any]] = {
    "expired": {"T": 0.0},
    "long_expired": {"T": -1.0},
    "no_volatility": {"sigma": 0.0, "sigma_daily": 0.0, "sigma_bar": 0.0},
    "worthless": {"S": 1e-9, "price": 0.0},
    "no_volume": {"adv": 0.0},
    "no_trials": {"n": 0, "x": 0, "counts": dict.fromkeys(("t00", "t01", "t10", "t11"), 0)},
    "no_index": {"vix": 0.0},
    "no_fear": {"vix": math.nan},
    "long_over": {"expiry": "2001-01-05"},
    "nothing_held": {"quantity": 0.0, "prev_quantity": 0.0, "cash": 0.0},
}
MATRICES = {"cov", "corr", "daily_cov", "matrix"}
COLLAPSES = ("empty", "one_row", "constant", "zero", "holes", *SCALARS)
# answers in which null is itself the answer, as their section of the specification says
NULL_IS_SAID = (
    *("perf.", "position.", "stop.", "ledger."),
    *("var.traffic_light", "cov.pairwise_correlation"),
)
# what a sample without dispersion cannot have
IMPOSSIBLE = {
    ("perf.summary", "constant"): ("sharpe", "skew", "excess_kurtosis"),
    ("perf.summary", "one_row"): ("sharpe", "annual_volatility"),
    ("perf.relative", "constant"): ("beta", "correlation"),
    ("perf.trades", "empty"): ("win_rate", "payoff_ratio"),
    ("options.implied_vol", "expired"): ("iv",),
    ("options.implied_vol", "worthless"): ("iv",),
}


def is_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(each is None or type(each) in (int, float) for each in value)
    )


def numbers(row: list[float], how: str) -> list[float]:
    if how == "empty":
        return []
    if how == "one_row":
        return row[:1]
    if how == "constant":
        return [row[0]] * len(row)
    if how == "zero":
        return [0.0] * len(row)
    return [math.nan, *row[1:]]


def rows(table: list[list[float]], how: str, square: bool) -> list[list[float]]:
    if how == "empty":
        return [] if square else [[] for _ in table]
    if how == "one_row":
        return [table[0][:1]] if square else table[:1]
    if how == "constant":  # of a square one: singular
        return [[table[0][0]] * len(row) for row in table]
    if how == "zero":
        return [[0.0] * len(row) for row in table]
    return [[math.nan, *table[0][1:]], *table[1:]]


def collapsed(inputs: dict[str, Any], how: str) -> dict[str, Any]:
    given = copy.deepcopy(inputs)
    if how in SCALARS:
        scalars = SCALARS[how].items()
        return given | {k: v for k, v in scalars if k in given and not isinstance(given[k], list)}
    for key, value in given.items():
        if is_numbers(value):
            given[key] = numbers(value, how)
        elif isinstance(value, list) and value and all(is_numbers(each) for each in value):
            given[key] = rows(value, how, key in MATRICES)
        elif isinstance(value, list) and how in ("empty", "one_row"):
            given[key] = value[: 0 if how == "empty" else 1]
    return given


def leaves(value: Any, where: str = "") -> list[tuple[str, Any]]:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return [leaf for key, each in value.items() for leaf in leaves(each, f"{where}.{key}")]
    if isinstance(value, list | tuple):
        return [leaf for n, each in enumerate(value) for leaf in leaves(each, f"{where}[{n}]")]
    return [(where, value)]


CASES = [
    (quantity, how)
    for quantity, inputs in sorted(FIRST.items())
    for how in COLLAPSES
    if json.dumps(collapsed(inputs, how)) != json.dumps(inputs)
]


@needs_vectors
@pytest.mark.parametrize(("quantity", "how"), CASES, ids=[f"{q}-{how}" for q, how in CASES])
def test_a_kernel_answers_finite_figures_or_null_and_why(quantity: str, how: str) -> None:
    inputs = collapsed(FIRST[quantity], how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            answer = quantities.BUILT[quantity](inputs)
        except (DomainError, ValueError):
            return  # refused by name
    assert not isinstance(answer, complex)
    found = leaves(answer)
    assert [where for where, leaf in found if isinstance(leaf, complex)] == []
    endless = [where for where, leaf in found if isinstance(leaf, float) and math.isinf(leaf)]
    assert endless == []
    unknown = {w for w, leaf in found if leaf is None or (isinstance(leaf, float) and leaf != leaf)}
    unknown = {where for where in unknown if not where.endswith("reason")}
    told = [leaf for where, leaf in found if where.endswith("reason")]
    if unknown and told:
        assert any(told), f"{sorted(unknown)} are null and nothing says why"
    elif unknown and how != "holes":  # where something is missing from what came in, NaN is honest
        assert quantity.startswith(NULL_IS_SAID), sorted(unknown)
    for name in IMPOSSIBLE.get((quantity, how), ()):
        assert f".{name}" in unknown, f"{name} of such input is invented"
    json.dumps(quantities.plain(answer), allow_nan=False)


def test_every_kernel_with_a_vector_is_in_the_matrix() -> None:
    if not VECTORS:
        pytest.skip("the shared vectors are not here")
    assert {quantity for quantity, _ in CASES} >= set(FIRST) - {"cov.decay"}
    assert len(CASES) > 100


# --- what the addresses show -------------------------------------------------------------------


def _valued(portfolio: Any) -> Any:
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=factories.START)
    var.compute(portfolio_ids=[portfolio.pk], session_date=factories.START)
    return portfolio


def _private() -> Any:
    portfolio = factories.make_portfolio(name="private")
    factories.make_private(portfolio)
    return _valued(portfolio)


def _unmeasured() -> Any:
    portfolio = factories.make_portfolio(name="unmeasured")
    factories.hold(portfolio, "SPY", 10)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=factories.START)
    return portfolio


def _unpriced() -> Any:
    portfolio = factories.make_portfolio(name="unpriced")
    factories.hold(portfolio, "SPY", 10)
    line = portfolio.positions.get().instrument
    line.bars.all().delete()
    return _valued(portfolio)


BOOKS = {
    "nothing": lambda: factories.make_portfolio(name="nothing", cash=0),
    "cash_only": lambda: _valued(factories.make_portfolio(name="cash only")),
    "one_cent": lambda: _valued(factories.make_portfolio(name="one cent", cash=Decimal("0.01"))),
    "privately_valued": _private,
    "never_measured": _unmeasured,
    "no_price": _unpriced,
}
ADDRESSES = [
    each
    for each in matrix.operations()
    if each.method == "get" and [name for _, name in each.parameters] == ["portfolio_id"]
]
FIGURES = ("var", "es", "expected_shortfall", "component", "var_before", "twr", "xirr")


@pytest.fixture(scope="module")
def staged(django_db_setup: Any, django_db_blocker: Any) -> Any:
    with module_rows(django_db_blocker):
        factories.load_bundle()
        covariance.compute_daily(session_date=factories.START)
        covariance.ensure_stressed(session_date=factories.START)
        yield


def refuse(word: str) -> Any:
    raise AssertionError(f"{word} in an answer")


def without_why(value: Any, where: str = "") -> list[str]:
    """Figures that are null in an object that has a place for the reason, and leaves it empty."""
    if isinstance(value, list):
        return [one for n, each in enumerate(value) for one in without_why(each, f"{where}[{n}]")]
    if not isinstance(value, dict):
        return []
    found = [one for key, each in value.items() for one in without_why(each, f"{where}.{key}")]
    if "reason" in value and not value["reason"]:
        found += [f"{where}.{key}" for key in FIGURES if key in value and value[key] is None]
    return found


NEEDED = {"group_by": "type"}


@pytest.mark.django_db
@pytest.mark.parametrize("kind", BOOKS)
def test_every_address_of_a_degenerate_book_answers(staged: Any, settings: Any, kind: str) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    portfolio = BOOKS[kind]()
    client = Client(raise_request_exception=False)
    client.force_login(portfolio.memberships.get(role="owner").user)
    assert len(ADDRESSES) > 15
    for operation in ADDRESSES:
        needed = {name: NEEDED[name] for name in operation.op.needs}
        answer = client.get(operation.path({"portfolio_id": portfolio.pk}), needed)
        assert answer.status_code in (200, 404, 409, 422), f"{operation}: {answer.content[:300]!r}"
        if "json" not in answer["Content-Type"]:
            continue
        document = json.loads(answer.content, parse_constant=refuse)
        if answer.status_code != 200:
            assert all(document[word] for word in ("code", "detail")), operation
            continue
        assert without_why(document) == [], operation
