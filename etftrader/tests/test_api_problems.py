"""Every refusal of the API is one shape; bodies and queries are read strictly (T-24, T-43)."""

import math
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError
from django.test import Client
from django.urls import include, path
from rest_framework.exceptions import ParseError
from rest_framework.response import Response

from etftrader.core.actor import Actor, system
from etftrader.core.api import parsers, problems, renderers
from etftrader.core.api.fields import EstimateField, MoneyField, StrictSerializer, WholeField
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.routes import nowhere, route
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, Conflict, LimitBreached, Unavailable
from portfolios.account_urls import account_urls
from portfolios.services import accounts, tokens

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
BY = system("tests")
RAISED: dict[str, Exception] = {
    "integrity": IntegrityError("UNIQUE constraint failed: secret_table.column"),
    "data": DataError("value too long"),
    "locked": OperationalError("database is locked"),
    "full": OperationalError("database or disk is full"),
    "overflow": OverflowError("Python int too large"),
    "unknown": BadInput(
        "BRK/B is not known.", code="unknown_symbol", attr="symbol", suggestions=["BRK-B"]
    ),
    "cash": LimitBreached("Not enough.", code="INSUFFICIENT_CASH", missing=Decimal("12.500000")),
    "state": Conflict("It is closed."),
    "away": Unavailable("Redis is away."),
    "fault": ValueError("SELECT password FROM users"),
}


class Body(StrictSerializer):
    """What the echo takes."""

    amount = MoneyField(positive=True)
    weight = EstimateField(required=False)
    count = WholeField(max_value=10, required=False)


@operation(get=Op("public", query=("what",)), post=Op("public"))
class Echo(ApiView):
    """Says back, or raises."""

    authentication_classes = ()

    def get(self, request: Any) -> Response:
        """Raise what is asked."""
        raise RAISED[request.query_params.get("what", "fault")]

    def post(self, request: Any) -> Response:
        """The amount."""
        return Response({"amount": str(self.checked(Body)["amount"])})


@operation(get="signed_in")
class Known(ApiView):
    """For the signed in; its POST is declared by nobody."""

    def get(self, request: Any) -> Response:
        """Yes."""
        return Response({"label": self.actor.label})

    def post(self, request: Any) -> Response:
        """Never reached."""
        return Response({})


api = [*route("echo", Echo, "echo"), *route("known", Known, "known")]
urlpatterns = [path("api/v1/", include(api)), *account_urls, nowhere]


@pytest.fixture(autouse=True)
def _roomy(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))


def ask(what: str) -> Any:
    return Client(raise_request_exception=False).get(f"/api/v1/echo?what={what}")


def send(body: bytes | str, kind: str = "application/json", **extra: Any) -> Any:
    return Client().post("/api/v1/echo", body, content_type=kind, **extra)


def is_problem(answer: Any) -> dict[str, Any]:
    assert answer["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert {"type", "title", "status", "code", "detail", "instance", "request_id", "errors"} <= set(
        document
    )
    assert document["status"] == answer.status_code
    assert document["request_id"] == answer["X-Request-Id"]
    return document


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("integrity", 409, "conflict"),
        ("data", 400, "validation_error"),
        ("locked", 503, "upstream_unavailable"),
        ("full", 507, "storage_full"),
        ("overflow", 400, "validation_error"),
        ("unknown", 400, "validation_error"),
        ("cash", 422, "INSUFFICIENT_CASH"),
        ("state", 409, "conflict"),
        ("away", 503, "calculation_unavailable"),
        ("fault", 500, "internal_error"),
    ],
)
def test_each_exception_has_its_status_and_tells_no_secrets(
    what: str, status: int, code: str
) -> None:
    answer = ask(what)
    document = is_problem(answer)
    assert (document["status"], document["code"]) == (status, code)
    text = answer.content.decode()
    assert not any(word in text for word in ("SELECT", "secret_table", "Error(", "Traceback"))


def test_a_busy_database_says_when_to_come_back() -> None:
    assert int(ask("locked")["Retry-After"]) >= 1


def test_figures_of_a_refusal_are_members_and_amounts_are_strings() -> None:
    assert is_problem(ask("cash"))["missing"] == "12.50"


def test_a_bad_field_names_itself_and_what_was_probably_meant() -> None:
    error = is_problem(ask("unknown"))["errors"][0]
    assert error["attr"] == "symbol"
    assert error["code"] == "unknown_symbol"
    assert error["hint"] == "Did you mean BRK-B?"


def test_unknown_addresses_methods_and_media_types_are_problems_too() -> None:
    assert is_problem(Client().get("/api/v1/nowhere"))["code"] == "not_found"
    assert is_problem(Client().get("/api/nowhere/else/"))["code"] == "not_found"
    wrong = Client().put("/api/v1/echo", "{}", content_type="application/json")
    assert is_problem(wrong)["code"] == "method_not_allowed"
    assert wrong["Allow"]
    assert is_problem(send("a=b", "application/x-www-form-urlencoded"))["status"] == 415
    assert is_problem(send("{}", HTTP_CONTENT_ENCODING="gzip"))["status"] == 415
    assert is_problem(Client().get("/api/v1/echo", HTTP_ACCEPT="text/html"))["status"] == 406


def test_a_stranger_is_told_how_to_sign_in() -> None:
    answer = Client().get("/api/v1/known")
    assert is_problem(answer)["code"] == "not_authenticated"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert Client().get("/api/v1/known", HTTP_AUTHORIZATION="Basic YTpi").status_code == 401


def test_what_nobody_declared_is_denied_even_to_its_owner() -> None:
    user = accounts.create_user(email="a@example.com", password="x" * 12, by=BY)
    _, text = tokens.create_personal(user=user, name="t", scopes=["admin"], by=Actor.of_user(user))
    answer = Client().post("/api/v1/known", HTTP_AUTHORIZATION=f"Token {text}")
    assert is_problem(answer)["code"] == "permission_denied"


def test_both_forms_of_an_address_answer_without_a_redirect() -> None:
    for form in ("/api/v1/echo", "/api/v1/echo/"):
        answer = Client().post(form, {"amount": "1"}, "application/json")
        assert answer.status_code == 200
        assert is_problem(Client().delete(form))["status"] == 405


def test_an_unknown_query_parameter_is_refused_with_the_valid_names() -> None:
    document = is_problem(Client().get("/api/v1/echo?wat=1"))
    assert document["code"] == "unknown_parameter"
    assert document["valid"] == ["what"]
    assert document["errors"][0]["attr"] == "wat"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"7",
        b'"text"',
        b"{",
        b"[" * 33 + b"]" * 33,
        b'{"amount":' * 40 + b"1" + b"}" * 40,
        b"[" * 100_000,
        b'{"amount": "1", "amount": "2"}',
        b'{"amount": NaN}',
        b'{"amount": Infinity}',
        b'{"amount": -Infinity}',
        b'{"amount": 1e999}',
        b'{"amount": 1' + b"0" * 5000 + b"}",
        b'{"amount": "\xff"}',
        b'\xef\xbb\xbf{"amount": "1"}',
        b'{"amount": "\\u0000"}',
        b'{"amount": "\\ud800"}',
        b'{"amount": "1\x01"}',
        b'{"amount": "1"} trailing',
        b"{'amount': '1'}",
        b'{"amount": "1",}',
        b'{"\\ud800": 1}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_hostile_body_is_a_400(body: bytes) -> None:
    assert is_problem(send(body))["status"] == 400


def test_a_body_beyond_a_megabyte_is_413() -> None:
    assert is_problem(send(b'{"amount": "' + b"1" * 1_000_001 + b'"}'))["code"] == "too_large"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "1_000"),
        ("amount", "\uff11"),
        ("amount", "1e5"),
        ("amount", "NaN"),
        ("amount", True),
        ("amount", "0"),
        ("amount", "-1"),
        ("amount", "9999999999999999"),
        ("weight", True),
        ("weight", "nan"),
        ("count", 11),
        ("count", -1),
        ("count", True),
        ("count", 1.5),
        ("count", "٣"),
        ("surprise", 1),
    ],
)
def test_a_value_out_of_bounds_names_its_field(field: str, value: Any) -> None:
    document = is_problem(
        Client().post("/api/v1/echo", {"amount": "1"} | {field: value}, "application/json")
    )
    assert document["code"] == "validation_error"
    assert document["errors"][0]["attr"] == field


def test_brackets_inside_text_are_not_levels() -> None:
    assert parsers.loads(b'{"a": "' + b"[" * 100 + b'\\"{"}') == {"a": "[" * 100 + '"{'}
    assert parsers.loads(b"[" * 32 + b"]" * 32)
    with pytest.raises(ParseError):
        parsers.loads(b"[" * 33 + b"]" * 33)


def test_a_number_that_is_none_fails_tests_and_is_null_outside(settings: Any) -> None:
    renderer = renderers.FiniteJSONRenderer()
    with pytest.raises(ValueError, match="JSON"):
        renderer.render({"var": math.nan})
    settings.TESTING = False
    assert (
        renderer.render({"var": math.nan, "x": [math.inf, 1.5]}) == b'{"var":null,"x":[null,1.5]}'
    )


def test_a_sane_request_id_is_kept_and_a_wild_one_replaced() -> None:
    kept = Client().get("/api/v1/known", HTTP_X_REQUEST_ID="trace-0123456789")
    assert kept["X-Request-Id"] == kept.json()["request_id"] == "trace-0123456789"
    wild = Client().get("/api/v1/known", HTTP_X_REQUEST_ID='"><script>')
    assert "<" not in wild["X-Request-Id"]
    assert len(wild["X-Request-Id"]) >= 8


def test_a_problem_document_needs_no_request() -> None:
    assert problems.document(None, status=404)["code"] == "not_found"
