"""Treasury yields from FRED: the API where there is a key, the public CSV where there is none."""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from django.conf import settings

from etftrader.core.errors import DomainError
from etftrader.core.outbound.client import Client
from etftrader.core.outbound.line import shared
from etftrader.core.outbound.rules import Rules
from marketdata.providers.base import (
    BarRow,
    Failure,
    InstrumentRow,
    ProviderFailed,
    YieldAnswer,
    YieldRow,
)

NAME = "fred"
API_HOST, CSV_HOST = "api.stlouisfed.org", "fred.stlouisfed.org"
API = f"https://{API_HOST}/fred/series/observations"
PUBLIC = f"https://{CSV_HOST}/graph/fredgraph.csv"
SPACING_S = 0.1
PAGE = 10_000  # observations; the API allows 100,000
MOST = 100_000  # four centuries of days
MISSING = {".", ""}
NUMBER = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,8})?")
TENORS = {
    "DGS1MO": "1M",
    "DGS3MO": "3M",
    "DGS6MO": "6M",
    "DGS1": "1Y",
    "DGS2": "2Y",
    "DGS3": "3Y",
    "DGS5": "5Y",
    "DGS7": "7Y",
    "DGS10": "10Y",
    "DGS20": "20Y",
    "DGS30": "30Y",
}


class FredProvider:
    """Constant-maturity yields in percent a year; nothing after `until` is asked for."""

    name = NAME

    def __init__(
        self, *, until: date, client: Client | None = None, api_key: str | None = None
    ) -> None:
        self.until = until
        self._client = client or client_of_settings()
        self._key = getattr(settings, "FRED_API_KEY", "") if api_key is None else api_key

    def instruments(self) -> list[InstrumentRow]:
        """FRED describes no instruments."""
        return []

    def bars(self, symbols: Sequence[str], start: date, end: date) -> Iterator[BarRow]:
        """FRED has no prices. Raises ProviderFailed when asked for some."""
        if symbols:
            raise ProviderFailed("FRED has yields only", symbols=list(symbols)[:20])
        return iter(())

    def last_session(self) -> date:
        """The day this provider was told to stop at."""
        return self.until

    def curve(self, start: date, end: date, series: Sequence[str] = tuple(TENORS)) -> YieldAnswer:
        """Yields by day, then tenor; a series that fails is named and the others are kept."""
        rows: list[YieldRow] = []
        failures: list[Failure] = []
        end = min(end, self.until)
        for name in series if start <= end else ():
            try:
                found = self._series(name, start, end)
            except DomainError as failure:
                failures.append(Failure(name, failure.code, failure.detail))
                continue
            tenor = TENORS[name]
            rows += [YieldRow(day, tenor, percent, NAME) for day, percent in found.items()]
        order = list(TENORS.values())
        rows.sort(key=lambda row: (row.session_date, order.index(row.tenor)))
        return YieldAnswer(tuple(rows), tuple(failures))

    def yields(self, start: date, end: date) -> Iterator[YieldRow]:
        """The rows of `curve`. Raises ProviderFailed when every series failed."""
        answer = self.curve(start, end)
        if len(answer.failures) == len(TENORS):
            first = answer.failures[0]
            raise ProviderFailed(f"no yields; {first.subject}: {first.detail}", code=first.code)
        yield from answer.rows

    def _series(self, name: str, start: date, end: date) -> Mapping[date, float]:
        if name not in TENORS:
            raise ProviderFailed(f"{name[:24]} is no yield we know", code="unknown_series")
        read = self._by_key if self._key else self._by_file
        told = {day: text for day, text in read(name, start, end) if start <= day <= end}
        if not told:
            raise ProviderFailed("the answer has no days", code="empty_answer")
        return {day: _percent(text) for day, text in told.items() if text not in MISSING}

    def _by_key(self, name: str, start: date, end: date) -> Iterator[tuple[date, str]]:
        asked = {
            "series_id": name,
            "api_key": self._key,
            "file_type": "json",
            "observation_start": start.isoformat(),
            "observation_end": end.isoformat(),
            "limit": PAGE,
        }
        offset = 0
        while True:
            page = self._client.json(API, asked | {"offset": offset})
            total, observations = _page(page)
            for each in observations:
                yield _day(each.get("date")), str(each.get("value", ""))
            offset += len(observations)
            if offset >= total:
                return
            if not observations or total > MOST:
                raise ProviderFailed(f"the pages end after {offset} of {total} observations")

    def _by_file(self, name: str, start: date, end: date) -> Iterator[tuple[date, str]]:
        asked = {"id": name, "cosd": start.isoformat(), "coed": end.isoformat()}
        lines = csv.reader(io.StringIO(self._client.text(PUBLIC, asked)), strict=True)
        try:
            header = next(lines, [])
            if len(header) != 2 or header[1] != name:
                words = ",".join(header)[:60]
                raise ProviderFailed(f"asked for {name}, the file has {words}", code="wrong_symbol")
            for line in lines:
                if len(line) != 2:
                    raise ProviderFailed(f"line {lines.line_num} of the file has no two columns")
                yield _day(line[0]), line[1].strip()
        except csv.Error as failure:
            raise ProviderFailed("the file cannot be read") from failure


def client_of_settings() -> Client:
    """Return the client FRED is asked with; FRED_BASE_URL stands in for both its hosts."""
    base = getattr(settings, "FRED_BASE_URL", "")
    per_minute = getattr(settings, "FRED_CALLS_PER_MINUTE", 100)
    return Client(
        Rules(NAME, frozenset({API_HOST, CSV_HOST}), base_url=base),
        shared(NAME, per_minute=per_minute, spacing_s=SPACING_S),
    )


def _page(page: object) -> tuple[int, list[dict[str, Any]]]:
    if isinstance(page, dict):
        total, observations = page.get("count"), page.get("observations")
        if isinstance(total, int) and isinstance(observations, list):
            if all(isinstance(each, dict) for each in observations):
                return total, observations
    raise ProviderFailed("the answer has no observations", code="empty_answer")


def _day(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError as failure:
        raise ProviderFailed(f"{str(text)[:24]!r} is no date") from failure


def _percent(text: str) -> float:
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ProviderFailed(f"{text[:24]!r} is no yield")
    return float(text)
