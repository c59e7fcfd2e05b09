"""Sample contexts for the style page: one of each state a partial can be in."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms

OPEN = datetime(2016, 6, 22, 13, 30, tzinfo=UTC)
AT = datetime(2016, 6, 22, 18, 32, 8, tzinfo=UTC)
WORDS = (
    "Within Watch Breach Approved Rejected Queued Running Succeeded Failed Cancelled "
    "Open Acknowledged Resolved SIMULATED"
).split()
QUALITIES = [
    {"level": "full", "reason": ""},
    {"level": "limited", "reason": "41 sessions of history, 60 wanted"},
    {"level": "fallback", "reason": "Historical volatility in place of an implied one"},
    {"level": "stale", "reason": "Last price is from the previous session"},
    {"level": "missing", "reason": "No price since 18 Jun 2016"},
]


class SampleForm(forms.Form):
    """Fields of each kind, one of them with an error."""

    symbol = forms.CharField(help_text="An exchange code, for example SPY.")
    side = forms.ChoiceField(choices=[("buy", "Buy"), ("sell", "Sell")], widget=forms.RadioSelect)
    quantity = forms.DecimalField()
    kind = forms.ChoiceField(choices=[("market", "Market")], label="Type", disabled=True)
    reason = forms.CharField(required=False)
    hold = forms.BooleanField(required=False, label="Hold until the next session")


def path(count: int, level: float, seed: int) -> list[float]:
    """A repeatable wandering line: a fixed generator of steps, no clock and no luck."""
    values, state = [level], seed
    for _ in range(count - 1):
        state = (1103515245 * state + 12345) % 2**31
        step = (state / 2**31 - 0.5) * 0.006 + (level / values[-1] - 1) * 0.02
        values.append(values[-1] * (1 + step))
    return values


def kpis() -> list[dict[str, Any]]:
    """A strip with a leading figure; one figure is missing with its reason."""
    meter = {"value": 15416, "limit": 20000, "fmt": "money0", "note": "measured 14:32"}
    return [
        {
            "label": "VaR 95%, 1 day",
            "term": "var",
            "value": 15416,
            "fmt": "money0",
            "sub": "1.20% of NAV, $4,584 below the limit",
            "lead": True,
            "meter": {**meter, "label": "VaR limit used"},
        },
        _figure(
            "Expected shortfall", "expected_shortfall", 19110, "money0", "mean loss beyond VaR"
        ),
        _figure("Volatility", "volatility", 0.115, "pct1", "annualised, EWMA 0.94"),
        _figure("Stressed VaR", "stressed_var", 41870, "money0", "covariance of 2008-09"),
        _figure("Raw gauge", "raw_gauge", None, "money0", "") | {"reason": "Needs 30 bars, has 12"},
        _figure("Dynamic stop", "stop_level", -0.09, "pct1", "VIX 21.4, middle band"),
    ]


def plain_kpis() -> list[dict[str, Any]]:
    """A strip without a leading figure."""
    return [
        _figure("Net asset value", "nav", 1284618.08, "money0", "22 Jun 2016"),
        _figure("Day P&L", "day_pnl", -9842.17, "signed:money0", "since the last close")
        | {"tone": True},
        _figure("Total P&L", "total_pnl", 84618.08, "signed:money0", "+7.05%") | {"tone": True},
        _figure("Gross exposure", "gross_exposure", 1.04, "pct0", "of NAV"),
        _figure("Cash", "cash", 74133.2, "money0", "5.8% of NAV"),
    ]


def _figure(label: str, term: str, value: object, fmt: str, sub: str) -> dict[str, Any]:
    return {"label": label, "term": term, "value": value, "fmt": fmt, "sub": sub}


def limits() -> list[dict[str, Any]]:
    """Within, watch, breach, and one that cannot be measured."""
    return [
        {"label": "VaR 95% 1d", "value": 15416, "limit": 20000, "fmt": "money0", "used": 0.7708},
        {"label": "Gross exposure", "value": 1.04, "limit": 1.5, "fmt": "pct0", "used": 0.6933},
        {
            "label": "Largest position",
            "prefix": "SPY",
            "value": 0.17,
            "limit": 0.2,
            "fmt": "pct1",
            "used": 0.85,
        },
        {"label": "VaR 99% 1d", "value": 31240, "limit": 30000, "fmt": "money0", "used": 1.0413},
        {
            "label": "Stressed VaR",
            "value": None,
            "limit": 60000,
            "fmt": "money0",
            "state": "missing",
            "reason": "No crisis history for two symbols",
        },
    ]


def line(key: str) -> dict[str, Any]:
    """VaR through a session, with limit, watch band and two events."""
    values = [v - 700 if 70 < i < 150 else v for i, v in enumerate(path(240, 16100, 2))]
    return {
        "id": key,
        "title": "One-day 95% VaR through the session, US dollars",
        "conclusion": "VaR stayed below the $20,000 limit and twice moved with a trade.",
        "x": [OPEN + timedelta(minutes=i) for i in range(240)],
        "span": (OPEN, OPEN + timedelta(minutes=390)),
        "series": [{"name": "VaR", "values": values}],
        "fmt": "money0",
        "limit": {"value": 20000, "label": "Limit $20,000"},
        "watch": {"value": 16000, "label": "Watch 80%"},
        "events": [
            {"x": OPEN + timedelta(minutes=71), "label": "Sell 60 QQQ"},
            {"x": OPEN + timedelta(minutes=150), "label": "Buy 120 MTUM"},
        ],
        "live": "risk.var",
    }


def two_lines(key: str) -> dict[str, Any]:
    """Two daily lines, labelled at their ends."""
    days = [date(2016, 1, 4) + timedelta(days=i) for i in range(120)]
    return {
        "id": key,
        "title": "Growth of 100 since January",
        "conclusion": "The book ends above its benchmark.",
        "x": days,
        "series": [
            {"name": "Book", "values": [v + i / 9 for i, v in enumerate(path(120, 100, 1))]},
            {"name": "SPY", "values": path(120, 100, 4)},
        ],
        "fmt": "ratio2",
        "width": 480,
        "height": 200,
    }


def diverging(key: str) -> dict[str, Any]:
    """Gains and losses around zero with a thin comparison."""
    parts = [("SPY", 3424, 2900), ("QQQ", 3061, 2700), ("GLD", 200, 310), ("TLT", -1205, -900)]
    return {
        "id": key,
        "title": "Contribution by position",
        "conclusion": "SPY and QQQ carry most; TLT hedges.",
        "rows": [{"label": name, "value": value, "thin": thin} for name, value, thin in parts],
        "names": ["today", "yesterday"],
    }


def bullet(key: str) -> dict[str, Any]:
    """Checks within, on watch and beyond their limit."""
    rows = [("VaR 95% 1d", 15416, 15900, 20000), ("Cash used", 800, 870, 1000)]
    found = [
        {"label": name, "before": before, "after": after, "limit": limit, "fmt": "money0"}
        for name, before, after, limit in rows
    ]
    found.append(
        {"label": "Position", "before": 0.081, "after": 0.269, "limit": 0.2, "fmt": "pct1"}
    )
    return {"id": key, "title": "Checks", "conclusion": "The position is too large.", "rows": found}


def coverage(key: str) -> dict[str, Any]:
    """Full, partial, poor and absent days."""
    days = [date(2016, 5, 2) + timedelta(days=i) for i in range(52)]
    prices: list[float | None] = [1.0] * 52
    prices[14], prices[15], prices[31], prices[51] = 0.97, 0.6, 0.1, None
    rows = [
        {"label": "ETF prices", "values": prices},
        {"label": "Treasury yields", "values": [1.0] * 50 + [0.9, None]},
    ]
    title = "Coverage by day"
    return {
        "id": key,
        "title": title,
        "conclusion": "Two days thin.",
        "columns": days,
        "rows": rows,
    }


def positions(key: str) -> dict[str, Any]:
    """A table with tones, a missing value, qualities, bars and totals."""
    columns = [
        {"key": "symbol", "label": "Position", "sub": "name", "sort": True},
        {"key": "exposure", "label": "Exposure", "fmt": "money0", "priority": "p3", "sort": True},
        {"key": "weight", "label": "Weight", "fmt": "pct1", "sort": True},
        {"key": "day", "label": "Day P&L", "fmt": "signed:money0", "tone": True, "priority": "p3"},
        {"key": "component", "label": "VaR", "fmt": "money0", "sort": True},
        {"key": "bar", "label": "Share", "kind": "hbar"},
        {"key": "quality", "label": "Data", "kind": "quality", "priority": "p2"},
    ]
    return {
        "id": key,
        "caption": "Where the risk sits",
        "columns": columns,
        "rows": [
            _position("SPY", "S&P 500", 218918, 0.170, -1795, 3424, 0.222, "full"),
            _position("QQQ", "Nasdaq 100", 148404, 0.116, -1736, 3061, 0.199, "full"),
            _position("TLT", "20y+ Treasury", 92547, 0.072, 426, 13, 0.001, "stale"),
            _position("SH", "Short S&P 500", -131351, -0.102, 1077, -2054, -0.133, "limited"),
            _position("XYZ", "Suspended", 4100, 0.003, None, None, None, "missing"),
        ],
        "totals": {"symbol": "Portfolio", "exposure": 332618, "weight": 0.259, "component": 4444},
        "tools": True,
    }


def _position(
    symbol: str,
    name: str,
    exposure: float,
    weight: float,
    day: float | None,
    component: float | None,
    share: float | None,
    quality: str,
) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "name": name,
        "url": "#main",
        "exposure": exposure,
        "weight": weight,
        "day": day,
        "day_reason": "No price since 18 Jun 2016",
        "component": component,
        "component_reason": "Left out of the covariance: 12 sessions of history",
        "bar": {"value": share, "low": -0.14, "high": 0.24, "outline": weight},
        "quality": quality,
    }


def no_rows(key: str) -> dict[str, Any]:
    """An empty table with the act that fills it."""
    text = "Positions appear here once a trade is filled or a file is imported."
    empty = {"text": text, "url": "#main", "label": "Import a file"}
    return {"id": key, "caption": "Positions", "columns": [], "rows": [], "empty": empty}


def filtered(key: str) -> dict[str, Any]:
    """A filter that matches nothing."""
    return {
        "id": key,
        "caption": "Orders",
        "columns": [],
        "rows": [],
        "filtered": True,
        "empty": {},
    }


def checks() -> list[dict[str, Any]]:
    """A pass, a failure, a warning."""
    return [
        {
            "label": "Cash",
            "now": 74133,
            "after": -167445,
            "limit": 0,
            "fmt": "money0",
            "passed": False,
        },
        {
            "label": "VaR 95% 1d",
            "term": "var",
            "now": 15416,
            "after": 15900,
            "limit": 20000,
            "fmt": "money0",
            "passed": True,
        },
        {
            "label": "Price age",
            "now": None,
            "after": None,
            "limit": None,
            "fmt": "age",
            "passed": None,
            "reason": "No quote",
            "note": "last close used",
        },
    ]


def changes() -> list[dict[str, Any]]:
    """A figure that changes and one that does not."""
    return [
        {"label": "Cash", "before": 74133, "after": 61200, "change": -12933, "fmt": "money0"},
        {"label": "Gross exposure", "before": 1.04, "after": 1.04, "change": 0, "fmt": "pct0"},
    ]


def jobs() -> list[dict[str, Any]]:
    """Every state of a job."""
    covariance = {"name": "Covariance", "state": "running", "done": 7, "total": 11}
    return [
        {"name": "Snapshot", "state": "queued", "step": "behind Covariance"},
        {"name": "Prices", "state": "running", "step": "asking the provider"},
        covariance | {"elapsed_s": 14, "likely_s": 22, "cancel_url": "#main"},
        {"name": "VaR", "state": "succeeded", "done": 4, "total": 4, "elapsed_s": 3.2},
        {
            "name": "Limits",
            "state": "failed",
            "error": "1 of 4 books has no VaR for 22 Jun 2016.",
            "mend_url": "#main",
        },
        {"name": "Ledger check", "state": "cancelled"},
    ]


def alerts() -> list[dict[str, Any]]:
    """Open, acknowledged and resolved."""
    return [
        {
            "severity": "breach",
            "at": AT,
            "title": "VaR is $31,240 of $30,000",
            "text": "in Options Overlay.",
            "ack_url": "#main",
        },
        {
            "severity": "watch",
            "at": AT,
            "title": "SPY is 17.0% of NAV,",
            "text": "85% of the 20% position limit.",
            "state": "acknowledged",
            "who": "ML",
        },
        {
            "severity": "resolved",
            "at": AT,
            "title": "VIX fell below 20.",
            "state": "resolved",
            "text": "",
        },
    ]


def verdicts() -> list[dict[str, Any]]:
    """Every answer of the check."""
    return [
        {"state": "approved", "note": "all six checks pass", "at": AT},
        {"state": "warned", "note": "priced on the last close", "at": AT},
        {"state": "rejected", "note": "three checks fail", "at": AT},
        {"state": "pending", "note": "", "at": None},
    ]


def events() -> list[dict[str, Any]]:
    """An order's life."""
    return [
        {"at": AT, "text": "Created", "who": "Mara Lindqvist", "state": "done"},
        {"at": AT, "text": "Checked: approved", "state": "done"},
        {"at": None, "text": "Filled", "state": "todo"},
    ]


def clocks() -> list[dict[str, Any]]:
    """Every standing of the live control."""
    states = ("live", "paused", "reconnecting", "away", "closed", "off")
    return [{"live_state": state, "as_of": AT} for state in states]


def menu() -> list[dict[str, Any]]:
    """A panel's menu."""
    return [{"label": "CSV", "url": "#main"}, {"label": "API call", "url": "#main", "note": "GET"}]


def filters() -> dict[str, Any]:
    """Filters with one set."""
    states = [{"value": "open", "label": "Open"}, {"value": "filled", "label": "Filled"}]
    return {
        "fields": [
            {"name": "q", "label": "Symbol", "value": "SP"},
            {"name": "state", "label": "State", "value": "open", "choices": states},
        ],
        "chips": [{"label": "Symbol: SP", "url": "#main"}],
    }


def calls() -> list[dict[str, str]]:
    """One call in two languages."""
    return [
        {"label": "curl", "code": 'curl -H "Authorization: Bearer $TOKEN" $HOST/api/v1/portfolios'},
        {"label": "Python", "code": "session.get(f'{host}/api/v1/portfolios').json()"},
    ]
