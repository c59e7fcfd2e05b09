"""Generated files against a small model of their own: 2,000 with ETF_T27_FILES=2000, else fewer."""

import os
import random
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest

from portfolios.models import ImportBatch, LedgerEntry
from portfolios.services import csv_import
from portfolios.tests.factories import WEDNESDAY, make_instrument, make_portfolio, make_user

pytestmark = pytest.mark.django_db
FILES = int(os.environ.get("ETF_T27_FILES", "240"))
CHUNK = 60
NAMES = ("ticker", "quantity", "entry_price", "entry_date")
# text, what it means; None is an error
TICKERS = (
    ("SPY", "SPY"), ("spy", "SPY"), ("NFLX", "NFLX"), (" NFLX", "NFLX"), ("BRK.B", "BRK-B"),
    ("BRK/B", "BRK-B"), ("SPY160819C00212000", "SPY160819C00212000"),
    ("spy   160819c00212000", "SPY160819C00212000"), ("ZZZ", None), ("", None), ("=SPY", None),
    ("SPY160231C00212000", None), ("^VIX", None),
)  # fmt: skip
QUANTITIES = (
    ("1", 1), ("5", 5), ("+5", 5), ("-5", -5), ("5.000", 5), ("'-5", -5), ("0", None), ("", None),
    ("five", None), ("1e3", None), ("5.5.5", None), ("1.0000001", None),
)  # fmt: skip
PRICES = (
    ("10", 10),
    ("10.00", 10),
    ("11", 11),
    ("0", None),
    ("-1", None),
    ("", None),
    ("$1", None),
)
# text, day, whether it warns
DATES = (
    ("2016-06-20", date(2016, 6, 20), False), ("2016-06-21", date(2016, 6, 21), False),
    ("2016-06-19", date(2016, 6, 19), True), ("2010-06-21", date(2010, 6, 21), True),
    ("2016-06-23", None, False), ("20/06/2016", None, False), ("", None, False),
    ("1950-01-03", None, False),
)  # fmt: skip
CODES = (("", 0, ""), ("LONG", 1, ""), ("SHORT", -1, ""), ("SC", -1, "C"), ("LC", 1, "C"))


@dataclass(frozen=True)
class Expected:
    """What the model says of a row."""

    verdict: str
    key: tuple | None = None


class Model:
    """The rules of the specification, row by row, in a few lines."""

    def __init__(self) -> None:
        self.seen: set[tuple] = set()
        self.days: set[tuple] = set()

    def judge(self, ticker, quantity, price, day, code) -> Expected:
        word, sign, right = code
        bad = None in (ticker[1], quantity[1], price[1], day[1])
        if not bad and word:
            option = "C" if "160819" in ticker[1] else ""
            bad = option != right or (sign > 0 > quantity[1])
        if bad:
            return Expected("error")
        units = -abs(quantity[1]) if sign < 0 else quantity[1]
        key, twin = (ticker[1], units, price[1], day[1]), (ticker[1], day[1])
        if key in self.seen or twin in self.days:
            self.seen.add(key)
            return Expected("duplicate", key)
        self.seen.add(key)
        self.days.add(twin)
        return Expected("warning" if day[2] else "new", key)


def generated(seed: int) -> tuple[bytes, list[Expected]]:
    """A file and what must come of its rows."""
    rng, model, expected = random.Random(seed), Model(), []
    separator, end = rng.choice(",;\t"), rng.choice(["\n", "\r\n"])
    coded, extra = rng.random() < 0.4, rng.random() < 0.3
    columns = [*NAMES, *(["position_type"] if coded else []), *(["note"] if extra else [])]
    rng.shuffle(columns)
    lines = ["Export"] * rng.choice([0, 0, 1, 7]) + [separator.join(columns)]
    good = rng.random()
    for _ in range(rng.randrange(1, 30)):
        drawn = [pick(rng, each, good) for each in (TICKERS, QUANTITIES, PRICES, DATES)]
        code = rng.choice(CODES) if coded else CODES[0]
        cells = dict(zip(NAMES, (each[0] for each in drawn), strict=True))
        cells |= {"position_type": code[0], "note": rng.choice(["", "=1+1", "a,b", 'say "x"'])}
        lines.append(separator.join(quoted(cells[name], separator, rng) for name in columns))
        if any(cells[name].strip() for name in columns):
            expected.append(model.judge(*drawn, code))
    data = end.join(lines) + rng.choice(["", end])
    return (rng.choice(["", "\ufeff"]) + data).encode(), expected


def pick(rng, choices, good):
    """A good cell more or less often."""
    fine = [each for each in choices if each[1] is not None]
    return rng.choice(fine if rng.random() < good else choices)


def quoted(cell, separator, rng):
    """A cell in quotes, where it must be or by chance."""
    if any(mark in cell for mark in (separator, '"')) or rng.random() < 0.2:
        return '"' + cell.replace('"', '""') + '"'
    return cell


@pytest.fixture
def portfolio(monkeypatch):
    monkeypatch.setattr(csv_import, "FILES_A_DAY", 1_000_000)
    make_instrument("SPY")
    for symbol in ("NFLX", "BRK-B"):
        make_instrument(symbol, kind="stock")
    make_instrument("^VIX", kind="index")
    return make_portfolio()


@pytest.mark.parametrize("chunk", range(0, FILES, CHUNK))
def test_a_generated_file_comes_to_what_the_model_says(portfolio, chunk):
    user = make_user()
    for seed in range(chunk, min(chunk + CHUNK, FILES)):
        data, expected = generated(seed)

        batch = csv_import.check(
            portfolio_id=portfolio.pk,
            user=user,
            file_name=f"{seed}.csv",
            file=csv_import.read(data=data, user=user),
            session_date=WEDNESDAY,
        )

        rows = list(batch.rows.order_by("ordinal"))
        assert [row.verdict for row in rows] == [each.verdict for each in expected], (seed, data)
        for row, each in zip(rows, expected, strict=True):
            if each.key is not None:
                said = row.parsed
                told = (said["ticker"], Decimal(said["quantity"]), Decimal(said["entry_price"]))
                assert (*told, date.fromisoformat(said["entry_date"])) == each.key, (seed, data)
        assert batch.counts["total"] == len(expected)
        assert sum(batch.counts.values()) == 2 * len(expected)
    ImportBatch.objects.all().delete()
    assert not LedgerEntry.objects.exists()
