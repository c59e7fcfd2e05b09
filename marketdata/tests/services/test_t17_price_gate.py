"""T-17: prepared and generated answers of a provider: no exception, no garbage in, no good price out.

The prepared ones go through the real library from a server of this machine, into the tables.
Seeded faults it must catch: NaN passes the gate, an empty answer overwrites, the stale check is
inverted.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import chain as joined
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etftrader.core.outbound import line
from etftrader.testing.yahoo_server import JSON, Reply, YahooServer, chart, stamp
from marketdata.calculations import bar_gate
from marketdata.calculations.bar_gate import ACCEPTED, HELD, REFUSED, Row, judge
from marketdata.models import DailyBar, Instrument, PriceSeries, QuarantinedPrice
from marketdata.providers import yahoo_session
from marketdata.selectors import calendar
from marketdata.services import price_sync

DAYS = calendar.between(date(2020, 6, 1), date(2020, 6, 16))
BEFORE, UNTIL = calendar.previous(DAYS[0]), DAYS[-1]
PRICES = [100.0, 101.0, 99.5, 100.5, 102.0, 101.5, 103.0, 102.5, 101.0, 100.0, 99.0, 100.0]
CLEAN = dict(zip(DAYS, PRICES, strict=True))
PLACES = (0, 5, 11)


# --- prepared answers ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """One answer and what must become of it."""

    name: str
    reply: Callable[[str], Reply]
    stored: dict[date, float]
    doubts: tuple[tuple[int, str], ...] = ()  # place of the session, reason
    failed: bool = False
    either: bool = False  # clean as a whole, or nothing of it


def failing(name: str, reply: Callable[[str], Reply]) -> Prepared:
    return Prepared(name, reply, {}, failed=True)


def without(*places: int) -> dict[date, float]:
    return {day: price for place, (day, price) in enumerate(CLEAN.items()) if place not in places}


def spoiled(symbol: str, place: int, values: dict[str, Any]) -> Reply:
    """A clean chart but for some figures of one session."""
    told = chart(symbol, CLEAN)
    [quote] = told["chart"]["result"][0]["indicators"]["quote"]
    [adjusted] = told["chart"]["result"][0]["indicators"]["adjclose"]
    for name, value in values.items():
        owner = adjusted if name == "adjclose" else quote
        owner[name] = list(owner[name])
        owner[name][place] = value
    return Reply.json(told)


def close_and_range(close: float) -> dict[str, float]:
    return dict.fromkeys(("open", "high", "low", "close", "adjclose"), close)


INFINITE = float("inf")
CLOSES: dict[str, tuple[Callable[[float], float], str]] = {
    "infinite": (lambda price: INFINITE, "not_finite"),
    "minus infinite": (lambda price: -INFINITE, "not_finite"),
    "zero": (lambda price: 0.0, "not_positive"),
    "negative": (lambda price: -price, "not_positive"),
    "too large": (lambda price: 1.1e7, "too_large"),
    "largest float": (lambda price: 1.7e308, "too_large"),
    "hundredfold": (lambda price: 100 * price, "magnitude"),
    "a hundredth": (lambda price: price / 100, "magnitude or placeholder"),
    "thousandfold": (lambda price: 1000 * price, "magnitude"),
    "a thousandth": (lambda price: price / 1000, "magnitude"),
    "placeholder": (lambda price: 1.0, "placeholder"),
    "jump up": (lambda price: 1.41 * price, "jump"),
    "jump down": (lambda price: 0.56 * price, "jump"),
    "half": (lambda price: price / 2, "split_without_action"),
    "a third": (lambda price: price / 3, "split_without_action"),
    "a quarter": (lambda price: price / 4, "split_without_action"),
    "a fifth": (lambda price: price / 5, "split_without_action"),
    "a tenth": (lambda price: price / 10, "split_without_action"),
    "a twentieth": (lambda price: price / 20, "split_without_action"),
    "double": (lambda price: 2 * price, "split_without_action"),
    "tenfold": (lambda price: 10 * price, "split_without_action"),
}
BESIDE: dict[str, dict[str, float]] = {
    "high infinite": {"high": INFINITE},
    "high beyond money": {"high": 1e300},
    "high below": {"high": 50.0},
    "high zero": {"high": 0.0},
    "low negative": {"low": -1.0},
    "low zero": {"low": 0.0},
    "low above": {"low": 150.0},
    "low infinite": {"low": -INFINITE},
    "open above": {"open": 150.0},
    "open below": {"open": 50.0},
    "open beyond money": {"open": 1e13},
    "adjusted infinite": {"adjclose": INFINITE},
    "adjusted negative": {"adjclose": -20.0},
    "adjusted zero": {"adjclose": 0.0},
    "adjusted beyond money": {"adjclose": 1e300},
    "volume negative": {"volume": -5},
    "volume beyond shares": {"volume": 2**62},
}


def rows_gone_wrong() -> Iterator[Prepared]:
    for place in PLACES:
        price = PRICES[place]
        for name, (spoil, reason) in CLOSES.items():
            close = spoil(price)
            yield Prepared(
                f"{name} at {place}",
                lambda symbol, place=place, close=close: spoiled(
                    symbol, place, close_and_range(close)
                ),
                without(place),
                ((place, reason),),
            )
        for name, values in BESIDE.items():
            yield Prepared(
                f"{name} at {place}",
                lambda symbol, place=place, values=values: spoiled(symbol, place, values),
                without(place),
                ((place, "inconsistent"),),
            )
        yield Prepared(
            f"no close at {place}",
            lambda symbol, place=place: spoiled(symbol, place, {"close": None}),
            without(place),
        )
        for name in ("open", "high", "low", "volume"):
            yield Prepared(
                f"no {name} at {place}",
                lambda symbol, place=place, name=name: spoiled(symbol, place, {name: None}),
                CLEAN,
            )
        yield Prepared(
            f"number as text at {place}",
            lambda symbol, place=place: spoiled(symbol, place, {"close": "12,5"}),
            {},
            failed=True,
        )
        for value in ([], {}, [1.0], "nan%", "1e5000x"):
            yield failing(
                f"{value!r} as a close at {place}",
                lambda symbol, place=place, value=value: spoiled(symbol, place, {"close": value}),
            )


def added(symbol: str, day: date, close: float, *, seconds: int = 0, first: bool = False) -> Reply:
    """A clean chart with one more row."""
    told = chart(symbol, CLEAN)
    result = told["chart"]["result"][0]
    at = 0 if first else len(result["timestamp"])
    result["timestamp"].insert(at, stamp(day) + seconds)
    for columns in (*result["indicators"]["quote"], *result["indicators"]["adjclose"]):
        for name in columns:
            columns[name] = list(columns[name])
            columns[name].insert(at, 1_000_000 if name == "volume" else close)
    return Reply.json(told)


def times_gone_wrong() -> Iterator[Prepared]:
    later, saturday = calendar.next(UNTIL), date(2020, 6, 6)
    for close in (100.0, 1e4, 0.0):
        yield Prepared(f"the future at {close}", lambda s, c=close: added(s, later, c), CLEAN)
        yield Prepared(f"a Saturday at {close}", lambda s, c=close: added(s, saturday, c), CLEAN)
        yield Prepared(f"the past at {close}", lambda s, c=close: added(s, BEFORE, c), CLEAN)
    for place in (0, 5, 10):
        day, price = DAYS[place], PRICES[place]
        yield Prepared(
            f"twice at {place}", lambda s, d=day, p=price: added(s, d, p, seconds=60), CLEAN
        )
        for factor in (1.005, 100.0, 0.25):
            # the library keeps the first row of a day
            yield Prepared(
                f"twice and {factor} times at {place}",
                lambda s, d=day, p=price, f=factor: added(s, d, f * p, seconds=60),
                CLEAN,
            )
    for turn in (3, 7):
        order = DAYS[turn:] + DAYS[:turn]
        yield Prepared(
            f"out of order by {turn}",
            lambda symbol, order=order: turned(symbol, order),
            CLEAN,
        )


def turned(symbol: str, order: list[date]) -> Reply:
    told = chart(symbol, CLEAN)
    result = told["chart"]["result"][0]
    result["timestamp"] = [stamp(day) for day in order]
    prices = [CLEAN[day] for day in order]
    for columns in (*result["indicators"]["quote"], *result["indicators"]["adjclose"]):
        for name in set(columns) - {"volume"}:
            columns[name] = prices
    return Reply.json(told)


def splits_gone_wrong() -> Iterator[Prepared]:
    """Yahoo restates its history at a split: prices and the split told must agree."""
    everywhere = tuple((place, "split_without_action") for place in range(len(DAYS)))
    for place in (3, 6, 9):
        ex_date = DAYS[place]
        for ratio in (2, 4, 10):
            restated = {day: price / ratio for day, price in CLEAN.items()}
            after = {day: restated[day] for day in DAYS if day >= ex_date}
            yield Prepared(
                f"{ratio}:1 told and restated at {place}",
                lambda s, h=restated, e=ex_date, r=ratio: split_chart(s, h, {e: r}),
                restated,
            )
            yield Prepared(
                f"{ratio}:1 told and not restated at {place}",
                lambda s, a=after, e=ex_date, r=ratio: split_chart(s, CLEAN | a, {e: r}),
                after,
                everywhere[:place],
            )
            yield Prepared(
                f"{ratio}:1 told that never was at {place}",
                lambda s, e=ex_date, r=ratio: split_chart(s, CLEAN, {e: r}),
                {},
                everywhere,
            )
            half = {
                day: price / (ratio if n == place else 1)
                for n, (day, price) in enumerate(CLEAN.items())
            }
            yield Prepared(
                f"{ratio}:1 untold on one day at {place}",
                lambda s, h=half: split_chart(s, h, {}),
                without(place),
                ((place, "split_without_action"),),
            )
            yield Prepared(
                f"{ratio}:1 untold from {place}",
                lambda s, a=after: split_chart(s, CLEAN | a, {}),
                {day: price for day, price in CLEAN.items() if day < ex_date},
                everywhere[place:],
            )


def split_chart(symbol: str, closes: dict[date, float], splits: dict[date, int]) -> Reply:
    return Reply.json(chart(symbol, closes, splits=splits))


def answers_gone_wrong() -> Iterator[Prepared]:
    whole = json.dumps(chart("SPY", CLEAN)).encode()
    for at in range(0, len(whole), len(whole) // 40):
        yield failing(
            f"cut at {at}", lambda s, at=at: Reply(200, whole[:at], {"Content-Type": JSON})
        )
    pages = (b"<html>", b"<!DOCTYPE html>", b"  \n<html lang=en>", b"\xef\xbb\xbf<html>", b"<p>")
    for page in pages:
        for kind in ("text/html", JSON, "text/plain"):
            yield failing(
                f"{page!r} as {kind}",
                lambda s, page=page, kind=kind: Reply(200, page, {"Content-Type": kind}),
            )
    for body in (b"Too Many Requests", b"", b'""', b"0", b"null", b"[]", b"{}", b"NaN", b"\x00"):
        yield failing(f"{body!r}", lambda s, body=body: Reply(200, body, {"Content-Type": JSON}))
    for status in (400, 401, 403, 404, 410, 418, 429, 500, 502, 503, 504):
        yield failing(f"status {status}", lambda s, status=status: Reply(status))
    for symbol in ("QQQ", "", "spy ", "SPY.L", None, 5):
        yield failing(f"for {symbol!r}", lambda s, other=symbol: renamed(other))


def renamed(symbol: Any) -> Reply:
    told = chart("SPY", CLEAN)
    told["chart"]["result"][0]["meta"]["symbol"] = symbol
    return Reply.json(told)


WRONG: tuple[Any, ...] = (None, [], {}, "text", 7, True, [[]], {"a": [1]}, -1.5, [None])
PATHS: tuple[tuple[Any, ...], ...] = (
    ("chart",),
    ("chart", "result"),
    ("chart", "result", 0),
    ("chart", "result", 0, "meta"),
    ("chart", "result", 0, "timestamp"),
    ("chart", "result", 0, "indicators"),
    ("chart", "result", 0, "indicators", "quote"),
    ("chart", "result", 0, "indicators", "quote", 0),
    ("chart", "result", 0, "indicators", "quote", 0, "close"),
    ("chart", "result", 0, "indicators", "quote", 0, "volume"),
    ("chart", "result", 0, "indicators", "adjclose"),
    ("chart", "result", 0, "events"),
    ("chart", "result", 0, "meta", "exchangeTimezoneName"),
)


def types_gone_wrong() -> Iterator[Prepared]:
    """What the library makes of them is its business: the clean rows are stored, or nothing is."""
    for path in PATHS:
        for value in WRONG:
            yield Prepared(
                f"{value!r} at {path[-1]}",
                lambda symbol, path=path, value=value: placed(symbol, path, value),
                CLEAN,
                either=True,
            )


def placed(symbol: str, path: tuple[Any, ...], value: Any) -> Reply:
    told = deepcopy(chart(symbol, CLEAN))
    place: Any = told
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return Reply.json(told)


def prepared() -> list[Prepared]:
    """All of them; what does not answer stands between what does, so that the source is asked on."""
    bad = list(answers_gone_wrong())
    rest = [*rows_gone_wrong(), *times_gone_wrong(), *splits_gone_wrong(), *types_gone_wrong()]
    clean = [Prepared(f"clean {n}", lambda s: split_chart(s, CLEAN, {}), CLEAN) for n in range(60)]
    kinds = zip_longest(bad, clean, rest[: len(rest) // 2], rest[len(rest) // 2 :])
    return [each for each in joined.from_iterable(kinds) if each is not None]


@pytest.fixture
def yahoo(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[YahooServer]:
    # every look at this clock is minutes later: no pause is waited out, none stops a question
    clock = itertools.count(0.0, 100.0).__next__
    own = line.Line(
        "yfinance", per_minute=10_000, spacing_s=0.0, clock=clock, sleep=lambda seconds: None
    )
    monkeypatch.setattr(yahoo_session, "line", lambda: own)
    settings.MARKETDATA_PROVIDER = "yfinance"
    with YahooServer(tmp_path) as server:
        settings.YAHOO_BASE_URL = server.url
        yield server


@pytest.mark.django_db
def test_prepared_answers_leave_clean_prices_and_exact_doubts(yahoo: YahooServer) -> None:
    cases = {f"P{place:04d}": each for place, each in enumerate(prepared())}
    assert len(cases) >= 300
    made = Instrument.objects.bulk_create(
        Instrument(symbol=symbol, name=symbol, kind="stock", price_basis="close")
        for symbol in cases
    )
    DailyBar.objects.bulk_create(
        DailyBar(
            instrument=each, session_date=BEFORE, source="yfinance", close=100, price_basis="close"
        )
        for each in made
    )
    for symbol, case in cases.items():
        yahoo.say(f"/chart/{symbol}", case.reply(symbol))

    synced = price_sync.sync(session_date=UNTIL, datasets=["daily_bars"], start=DAYS[0])

    said = {each.item: each for each in synced.outcomes}
    assert set(said) == set(cases)
    stored: dict[str, dict[date, float]] = {symbol: {} for symbol in cases}
    rows = DailyBar.objects.order_by("session_date")
    for symbol, day, close in rows.values_list("instrument__symbol", "session_date", "close"):
        stored[symbol][day] = float(close)
    doubts: dict[str, list[tuple[int, str]]] = {symbol: [] for symbol in cases}
    for doubt in QuarantinedPrice.objects.order_by("session_date"):
        doubts[doubt.symbol].append((DAYS.index(doubt.session_date), doubt.reason))
    wrong = [
        (case.name, said[symbol].status, said[symbol].reason, doubts[symbol], len(stored[symbol]))
        for symbol, case in cases.items()
        if not _as_promised(case, stored[symbol], doubts[symbol], said[symbol])
    ]
    assert wrong == [], "\n".join(map(str, wrong))
    # the packed series are those of the table, each session once
    for each in PriceSeries.objects.select_related("instrument"):
        known = stored[each.instrument.symbol]
        days = [date(1970, 1, 1) + timedelta(days=day) for day in each.sessions.tolist()]
        assert days == [day for day in known if day in days]
        assert {*known} - {*days} <= {BEFORE}
        assert each.close.tolist() == pytest.approx([known[day] for day in days])
    # a split that the prices contradict is not applied: a person decides first
    assert {
        stored[symbol][BEFORE] for symbol, case in cases.items() if "never was" in case.name
    } == {100}


def _as_promised(
    case: Prepared, known: dict[date, float], doubts: list[tuple[int, str]], said: Any
) -> bool:
    stored = {day: close for day, close in known.items() if day != BEFORE}
    if case.either:
        return not stored or (not doubts and stored == pytest.approx(CLEAN))
    reasons = len(doubts) == len(case.doubts) and all(
        place == expected and reason in words.split(" or ")
        for (place, reason), (expected, words) in zip(doubts, case.doubts, strict=True)
    )
    failed = said.status == "failed"
    return reasons and failed == case.failed and stored == pytest.approx(case.stored)


# --- generated answers ---------------------------------------------------------------------------

GENERATED, LENGTH = 5_000, 12
FIRST = date(2016, 1, 4)


def clean_rows(chance: np.random.Generator) -> list[Row]:
    """A fund's fortnight: closes within their sessions' ranges, moves of a few percent."""
    closes = np.round(chance.uniform(5, 900) * np.exp(chance.normal(0, 0.03, LENGTH).cumsum()), 2)
    return [
        Row(
            FIRST + timedelta(days=place),
            close,
            open=close * 1.001,
            high=close * 1.01,
            low=close * 0.99,
            volume=float(chance.integers(0, 10**9)),
            adj_close=close * 0.93,
        )
        for place, close in enumerate(closes.tolist())
    ]


GARBAGE: dict[str, tuple[Callable[[Row, float], Row], str]] = {
    "nan": (lambda row, u: replace(row, close=math.nan), REFUSED),
    "infinite": (lambda row, u: replace(row, close=math.copysign(INFINITE, u - 0.5)), REFUSED),
    "zero": (lambda row, u: replace(row, close=0.0), REFUSED),
    "negative": (lambda row, u: replace(row, close=-row.close * u - 1e-9), REFUSED),
    "too large": (lambda row, u: replace(row, close=1e7 * (1.001 + 1e6 * u)), REFUSED),
    "future": (lambda row, u: replace(row, session_date=row.session_date.replace(2017)), REFUSED),
    "magnitude": (lambda row, u: replace(row, close=row.close * (100 if u < 0.5 else 0.01)), HELD),
    "jump up": (lambda row, u: replace(row, close=row.close * (1.65 + 20 * u)), HELD),
    "jump down": (lambda row, u: replace(row, close=row.close * (0.02 + 0.5 * u)), HELD),
    "high": (lambda row, u: replace(row, high=(math.nan, INFINITE, 1e300)[int(3 * u)]), HELD),
    "low": (lambda row, u: replace(row, low=-u), HELD),
    "adjusted": (lambda row, u: replace(row, adj_close=(math.nan, -1.0, 1e9)[int(3 * u)]), HELD),
    "volume": (lambda row, u: replace(row, volume=(math.nan, -1.0, 1e18)[int(3 * u)]), HELD),
    "range": (lambda row, u: replace(row, low=row.close * (1.002 + u)), HELD),
}


def test_generated_garbage_is_never_believed_and_its_neighbours_are(request: Any) -> None:
    seed = np.random.SeedSequence().entropy
    print(f"seed {seed}")  # noqa: T201 - a failing run can be asked again
    chance = np.random.default_rng(seed)
    kinds = list(GARBAGE)
    seen: Counter[str] = Counter()
    for _ in range(GENERATED):
        rows = clean_rows(chance)
        place = int(chance.integers(1, LENGTH))
        kind = kinds[int(chance.integers(len(kinds)))]
        spoil, verdict = GARBAGE[kind]
        rows[place] = spoil(rows[place], float(chance.random()))

        judged = judge(rows, until=FIRST + timedelta(days=LENGTH))

        expected = [ACCEPTED] * LENGTH
        expected[place] = verdict
        assert [each.verdict for each in judged] == expected, (seed, kind, rows[place])
        assert judged[place].reason
        seen[kind] += 1
    assert set(seen) == set(kinds)


def test_no_clean_bar_is_refused() -> None:
    chance = np.random.default_rng(17)
    judged = [
        each
        for _ in range(1_000)
        for each in judge(clean_rows(chance), until=FIRST + timedelta(days=LENGTH))
    ]

    assert len(judged) >= 5_000
    assert {each.verdict for each in judged} == {ACCEPTED}


def test_a_move_that_is_free_is_judged_for_everything_else() -> None:
    rows = [Row(FIRST, 20.0), Row(FIRST + timedelta(days=1), 45.0, high=INFINITE)]
    days = frozenset(row.session_date for row in rows)

    judged = judge(rows, until=FIRST + timedelta(days=2), free=days)
    calm = judge([rows[0], replace(rows[1], high=50.0)], until=rows[1].session_date, free=days)

    assert [each.reason for each in judged] == [None, bar_gate.INCONSISTENT]
    assert {each.verdict for each in calm} == {ACCEPTED}
