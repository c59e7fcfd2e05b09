"""What became of symbols that were looked up at the sources: the jobs say it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from etftrader.core.records import OPEN, JobRun
from marketdata.choices import Source
from marketdata.providers import sources

JOB = "marketdata.resolve_symbols"
_LOOK_BACK = 200


@dataclass(frozen=True, slots=True)
class Lookup:
    """The newest look-up of one symbol; `reason` is empty while it runs and when it went well."""

    symbol: str
    open: bool
    at: datetime  # when it ended, or was asked for
    reason: str = ""


def can_ask() -> bool:
    """Whether a source is set up that may know more symbols than are known here."""
    return any(name != Source.BUNDLED for name in sources.everybody())


def asked_by(user_id: UUID, *, since: datetime) -> int:
    """How many look-ups a person has asked for since a moment."""
    return JobRun.objects.filter(job=JOB, requested_by=user_id, created_at__gt=since).count()


def newest(symbols: Iterable[str]) -> dict[str, Lookup]:
    """The newest look-up of each symbol that had one, in one query."""
    wanted = {symbol.upper() for symbol in symbols}
    found: dict[str, Lookup] = {}
    if not wanted:
        return found
    for run in JobRun.objects.filter(job=JOB).order_by("-created_at", "-pk")[:_LOOK_BACK]:
        for symbol in wanted.intersection(run.inputs.get("symbols", ())) - found.keys():
            found[symbol] = _lookup(run, symbol)
        if len(found) == len(wanted):
            break
    return found


def _lookup(run: JobRun, symbol: str) -> Lookup:
    if run.status in OPEN:
        return Lookup(symbol, True, run.created_at)
    said = next((each for each in run.items if each.get("item") == symbol), None)
    if said is None:
        reason = str((run.error or {}).get("detail") or "the look-up ended before its turn")
    elif said.get("status") == "failed":
        reason = str(said.get("reason") or "no source knows it")
    else:
        reason = ""
    return Lookup(symbol, False, run.finished_at or run.created_at, reason)
