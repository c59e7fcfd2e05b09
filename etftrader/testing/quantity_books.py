"""Names of what is held, earned and traded, mapped to their kernels."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import Any

from etftrader.testing import quantity_inputs as given
from portfolios.calculations import (
    cost_basis,
    daily_pnl,
    drawdowns,
    equity,
    exposure,
    greeks,
    performance,
    returns,
    round_trips,
)
from trading.calculations import fills


def _position_value(i: dict[str, Any]) -> dict[str, Any]:
    worth = exposure.value(i["quantity"], i["price"], i["multiplier"], i["avg_cost"])
    return asdict(worth) | {"unrealized_pnl_pct": worth.unrealized_pnl_fraction}


def _apply_events(i: dict[str, Any]) -> dict[str, Any]:
    multiplier = given.exact(i["multiplier"])
    book = cost_basis.apply_events([given.event(item) for item in i["events"]], multiplier)
    answer = asdict(book.holding) | {
        "avg_cost": book.holding.average_cost(multiplier),
        "fees": book.fees,
        "dividends": book.dividends,
        "cash_flow": book.cash_flow,
    }
    if i.get("mark") is not None:
        mark = given.exact(i["mark"])
        answer["unrealized_pnl"] = cost_basis.unrealized_pnl(book.holding, mark, multiplier)
    return answer


def _daily_pnl(i: dict[str, Any]) -> dict[str, Any]:
    day = daily_pnl.daily_pnl(
        i["prev_quantity"],
        i["prev_price"],
        i["price"],
        i["multiplier"],
        fills=[daily_pnl.DayFill(f["qty"], f["price"], f.get("fee", 0.0)) for f in i["fills"]],
        dividend_per_share=i.get("dividend_per_share", 0.0),
    )
    return {"pnl": day.pnl, "return": day.simple_return}


def _ledger_equity(i: dict[str, Any]) -> dict[str, Any]:
    marks = {symbol: given.exact(price) for symbol, price in i["marks"].items()}
    result = equity.equity([given.event(item) for item in i["events"]], marks)
    return asdict(result) | {"identity_gap": result.identity_gap}


def _exposures(i: dict[str, Any]) -> dict[str, Any]:
    book = given.positions(i["positions"])
    total = exposure.exposures(
        book.quantity, book.price, book.multiplier, book.underlying_price, book.is_option
    )
    return asdict(total) | {
        "gross_exposure": total.gross,
        "net_exposure": total.net,
        "long_exposure": total.long,
        "short_exposure": total.short,
        "options_exposure": total.options,
        "stock_exposure": total.stocks,
    }


def _delta_exposure(i: dict[str, Any]) -> dict[str, Any]:
    book = given.positions(i["positions"])
    total = exposure.delta_exposure(
        book.quantity,
        book.price,
        book.multiplier,
        book.underlying_price,
        book.is_option,
        given.numbers([position.get("delta") for position in i["positions"]]),
    )
    return {
        "raw_exposure": total.raw,
        "delta_adjusted_exposure": total.total,
        "per_position": total.per_position,
        "skipped": total.skipped,
    }


def _greeks(i: dict[str, Any]) -> greeks.BookGreeks:
    book = given.positions(i["positions"])
    units = [position.get("greeks") or {} for position in i["positions"]]
    table = given.numbers([[unit.get(name) for name in greeks.ORDER] for unit in units])
    return greeks.total(
        book.quantity, book.multiplier, book.underlying_price, book.is_option, table.reshape(-1, 5)
    )


def _twr(i: dict[str, Any]) -> dict[str, Any]:
    weighted = returns.time_weighted(
        given.numbers(i["equity"]), given.numbers(i["flows"]), i.get("timing", returns.SPLIT)
    )
    return {"returns": weighted.returns, "twr": weighted.total}


def _modified_dietz(i: dict[str, Any]) -> dict[str, Any]:
    flows = [returns.DatedFlow(flow["day"], flow["amount"]) for flow in i["flows"]]
    return {"return": returns.modified_dietz(i["begin"], i["end"], flows, i["days"])}


def _fill(i: dict[str, Any]) -> dict[str, Any]:
    done = fills.fill(
        i["side"],
        given.exact(i["qty"]),
        given.market(i),
        given.costs(i),
        multiplier=given.exact(i.get("multiplier", 1)),
    )
    return asdict(done) | {
        "fill_qty": done.quantity,
        "fill_price": done.price,
        "remaining_qty": done.remaining,
    }


BOOKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "position.value": _position_value,
    "position.apply_events": _apply_events,
    "position.daily_pnl": _daily_pnl,
    "ledger.equity": _ledger_equity,
    "portfolio.exposures": _exposures,
    "portfolio.delta_exposure": _delta_exposure,
    "portfolio.greeks": _greeks,
    "perf.twr": _twr,
    "perf.modified_dietz": _modified_dietz,
    "perf.xirr": lambda i: {
        "xirr": returns.xirr([date.fromisoformat(day) for day in i["dates"]], i["amounts"])
    },
    "perf.summary": lambda i: performance.summary(
        given.numbers(i["returns"]), i.get("rf_annual", 0.0)
    ),
    "perf.relative": lambda i: performance.relative(
        given.numbers(i["returns"]), given.numbers(i["benchmark"]), i.get("rf_annual", 0.0)
    ),
    "perf.drawdowns": lambda i: {
        "drawdowns": drawdowns.drawdowns(
            [date.fromisoformat(day) for day in i["dates"]],
            given.numbers(i["index"]),
            i.get("top", 5),
        )
    },
    "perf.trades": lambda i: round_trips.round_trips(i["pnls"]),
    "trading.fill": _fill,
}
