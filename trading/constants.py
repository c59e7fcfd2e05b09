"""Constants of orders and fills, each with its unit and source."""

from decimal import Decimal

FRESH_SECONDS = 60  # a quote not older than this fills at once, quant.md 16
COLLAR = Decimal("0.10")  # a fill stays within this fraction of the reference, reliability.md 5e
QUANTITY_PLACES = 6  # decimals of a fractional quantity, reliability.md 5a
MAX_QUANTITY = Decimal("1000000000")  # units in one order; beyond it a typing error is likelier
MAX_PRICE = Decimal("10000000")  # of a limit or a stop, reliability.md 5e
MAX_WEIGHT = Decimal(10)  # of a target, fraction of the equity; beyond it a percent was meant
CLIENT_ORDER_ID_LENGTH = 64  # characters, ui.md 13.6
CLIENT_BASKET_ID_LENGTH = 60  # characters; a leg adds its place and is an order's name
BASKET_LEGS = (2, 50)  # of a basket; a spread has 2 to 4
NOTE_LENGTH = 300  # characters
RECENT_TRADES = 8  # rows under the ticket
BLOTTER_PAGE = 100  # rows, product.md 2.17

# denial codes trading finds itself, reliability.md 5c
OVERSELL = "OVERSELL"
MARGIN = "MARGIN"
INSUFFICIENT_CASH = "INSUFFICIENT_CASH"
KILL_SWITCH = "KILL_SWITCH"
PRICE_COLLAR = "PRICE_COLLAR"
CONFLICT = "CONFLICT"  # the book changed between gathering and lock

# what people read for a denial code
REASON_WORDS = {
    "INSUFFICIENT_CASH": "not enough cash for the trade and its costs",
    "OVERSELL": "more would be sold than is held",
    "MARGIN": "equity would not cover half of the gross exposure",
    "VAR_LIMIT": "VaR would exceed its limit",
    "VAR_UNAVAILABLE": "VaR cannot be calculated now",
    "PORTFOLIO_HALTED": "the portfolio is halted",
    "REDUCING_ONLY": "the portfolio only takes orders that reduce a position",
    "KILL_SWITCH": "trading is stopped for everybody",
    "NO_PRICE": "there is no price",
    "PRICE_STALE": "the last price is too old",
    "PRICE_SUSPECT": "the last price is not trusted",
    "PRICE_COLLAR": "the fill would be more than 10 % away from the last price",
    "LOT_SIZE": "the quantity is not in whole shares",
    "NOTIONAL_MAX": "gross exposure would exceed its limit",
    "CONCENTRATION": "the position would be too large",
    "CONFLICT": "the book changed meanwhile; try again",
}
