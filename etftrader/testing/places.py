"""Where an operation takes ids: path, nested path, query, filter, body, batch element, export.

Read off the registry and the API's description, so that a new field is asked about or makes the
matrix red.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from etftrader.core.api.lists import known_parameters
from etftrader.management.commands import write_openapi
from etftrader.testing.matrix import Operation, operations

# a parameter of the path, the query or the body, and the thing it names
NAMES = {
    "portfolio_id": "portfolio_id",
    "portfolio": "portfolio_id",
    "chain": "portfolio_id",
    "object_id": "portfolio_id",
    "actor_id": "user_id",
    "member_id": "member_id",
    "invitation_id": "invitation_id",
    "token_id": "token_id",
    "sign_in_id": "sign_in_id",
    "transaction_id": "transaction_id",
    "transfer_id": "transfer_id",
    "to": "portfolio_id",
    "import_id": "import_id",
    "position_id": "position_id",
    "account_id": "account_id",
    "account": "account_id",
    "limit_id": "limit_id",
    "alert_id": "alert_id",
    "order_id": "order_id",
    "basket_id": "basket_id",
    "trade_id": "trade_id",
    "job_id": "job_id",
    "id": "check_id",
    "cid": "cid",
    "symbol": "symbol",
    "symbols": "symbol",
    "instrument__symbol": "symbol",
    "instrument": "symbol",
    "benchmark": "symbol",
    "underlying": "symbol",
    "price_id": "price_id",
    "valuation_id": "valuation_id",
    "watchlist_id": "watchlist_id",
    "watchlist": "watchlist_id",
    "item_id": "item_id",
    "tag_id": "tag_id",
    "view_id": "view_id",
    "report_id": "report_id",
    "report_schedule_id": "report_schedule_id",
    "positions": "position_id",
    "customer": "customer_id",
}
# everybody's, or the house's own: there is no foreign one
SHARED = {"action_id", "bond_id", "doubt_id", "doubt_ids", "schedule_id"}
# what the rows of a batch are named by
MEANS = {
    ("patch", "api/v1/instruments/batch", "id"): "symbol",
    ("patch", "api/v1/prices/batch", "id"): "price_id",
    ("patch", "api/v1/market-data/batch", "id"): "price_id",
    ("patch", "api/v1/valuations/batch", "id"): "valuation_id",
    ("patch", "api/v1/watchlists/batch", "id"): "watchlist_id",
    ("patch", "api/v1/watchlist-items/batch", "id"): "item_id",
    ("patch", "api/v1/tags/batch", "id"): "tag_id",
    ("patch", "api/v1/accounts/batch", "id"): "account_id",
}
# names that stand for something else at one operation
ELSEWHERE = {
    ("post", "api/v1/instruments", "symbol"): "the new instrument's own symbol",
    ("post", "api/v1/instruments/batch", "symbol"): "the new instrument's own symbol",
    ("put", "api/v1/instruments/<str:symbol>", "symbol"): "its own symbol again, which stays",
    ("patch", "api/v1/instruments/<str:symbol>", "symbol"): "its own symbol again, which stays",
    ("patch", "api/v1/bonds/batch", "id"): "a bond, which is everybody's",
    ("patch", "api/v1/options/batch", "id"): "a contract, which is everybody's",
    ("post", "api/v1/bonds", "instrument"): "the new bond's own symbol",
    ("post", "api/v1/bonds/batch", "instrument"): "the new bond's own symbol",
    ("post", "api/v1/options", "instrument"): "the new contract's own symbol",
    ("post", "api/v1/options/batch", "instrument"): "the new contract's own symbol",
    ("put", "api/v1/imports/<uuid:import_id>/mapping", "symbols"): "tickers of the file, renamed",
    ("post", "api/v1/options", "symbol"): "the new contract's own symbol",
    ("post", "api/v1/options/batch", "symbol"): "the new contract's own symbol",
}
PLAIN = set(
    """
    account_type action active add add_symbols adj_close allow_short am_settled amount archived
    as_of as_of_date as_of_date__gte as_of_date__lte asset_class assumed_dividend_yield
    assumed_half_spread_bp assumed_volume average_price base_currency basis bs_price cadence
    can_trade cells change_pct check client_basket_id client_order_id close closed colour columns
    commission commission_minimum commission_per_contract commission_per_share
    commission_per_trade confirm_duplicate content context convexity country coupon_rate
    created_at__gte created_at__lt currency cursor dataset date decimal_comma decision delimiter
    delta description discount_rate duplicates duration email enabled encoding end entry_date
    entry_price equity_value ev everywhere ex_date exchange executed_at__gte executed_at__lt
    expires_at expiry expiry__gte expiry__lte external_flow face_value factor_tilt file
    file_format file_name format frequency gamma group_by growth_rate half_spread_bp hard high
    horizon_days impact_y implied_volatility interval is_default issued job kind legs limit
    limit_price liquidity_class low maturity maturity__gte maturity__lte maturity_years
    max_participation measure message method minutes mode multiples multiplier name
    name__icontains new_password new_symbol note notes object_type offset old_password open
    option_type order order_type order_type__in ordering partial password pay_date period preset
    price pricing q quality quantity query range ratchet ratio reason recorded_at__gte
    recorded_at__lt refresh remove resolved rho risk_free_rate role row scopes search sections
    sector segment session_date session_date__gte session_date__lte settlement severity side
    simulated source start state state__in status step stop_price strategy strike style symbol__in
    tag tag_mode tags target_price target_weight theta time time_in_force timestamp to_state token
    tracking_mode type unit updated_at__gt value vega verdict version vol_shift volatility volume
    watch whole_shares ytm
    """.split()
)


@dataclass(frozen=True, slots=True)
class Place:
    """One spot of an operation where an id can stand."""

    operation: Operation
    kind: str  # path, nested, export, query, filter, body, batch
    name: str
    thing: str

    def __str__(self) -> str:
        return f"{self.operation} {self.kind} {self.name}"


def found() -> tuple[list[Place], list[str]]:
    """Every place, and every parameter nobody has classified."""
    description = json.loads(write_openapi.text())
    places: list[Place] = []
    unknown: list[str] = []
    for operation in operations():
        for kind, name in _parameters(operation, description):
            # a batch deletes what it changes, by the same names
            method = "patch" if kind == "batch" and operation.method == "delete" else None
            here = (method or operation.method, operation.route, name)
            if here in ELSEWHERE:
                continue
            if here in MEANS or name in NAMES:
                places.append(Place(operation, kind, name, MEANS.get(here) or NAMES[name]))
            elif name not in PLAIN | SHARED:
                unknown.append(f"{operation} {kind} {name}")
    return places, unknown


def _parameters(operation: Operation, description: dict[str, Any]) -> Iterator[tuple[str, str]]:
    names = [name for _, name in operation.parameters]
    for name in names:
        kind = "path" if name == names[0] else "nested"
        yield ("export" if operation.route.endswith(".csv") else kind), name
    own = operation.op.query
    for name in known_parameters(operation.view, operation.method.upper()):
        yield ("query" if name in own else "filter"), name
    path = "/" + operation.route
    for converter, name in operation.parameters:
        path = path.replace(f"<{converter}:{name}>", f"{{{name}}}").replace(
            f"<{name}>", f"{{{name}}}"
        )
    body = description["paths"].get(path, {}).get(operation.method, {}).get("requestBody", {})
    known = set()
    for each in body.get("content", {}).values():
        known |= set(_fields(each["schema"], description["components"]["schemas"], "body"))
    yield from sorted(known)


def _fields(
    schema: dict[str, Any], components: dict[str, Any], kind: str
) -> Iterator[tuple[str, str]]:
    """(kind, name) of a body's fields, through references, lists and nested objects."""
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "array":
        items = schema["items"]
        if "$ref" in items or "properties" in items:
            yield from _fields(items, components, "batch")
    for each in (*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from _fields(each, components, kind)
    for name, inner in schema.get("properties", {}).items():
        if not inner.get("readOnly"):
            yield kind, name
            if inner.get("type") == "object" or "$ref" in inner:
                yield from _fields(inner, components, kind)
