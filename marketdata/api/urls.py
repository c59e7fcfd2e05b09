"""The addresses of the market data endpoints under /api/v1/."""

from etftrader.core.api.routes import route
from marketdata.api import bonds, data, instruments, market, options, prices, quotes

urlpatterns = [
    *route("instruments", instruments.Instruments, "api-instruments"),
    *route("instruments/<str:symbol>", instruments.OneInstrument, "api-instrument"),
    *route("prices", prices.Prices, "api-prices"),
    *route("market-data", prices.Prices, "api-market-data"),
    *route("market/prices/<str:symbol>", prices.PricesOf, "api-market-prices"),
    *route("market/current-prices", quotes.CurrentPrices, "api-current-prices"),
    *route("market/options/<str:symbol>", options.OptionChain, "api-market-options"),
    *route("options", options.Options, "api-options"),
    *route("options/batch", options.OptionBatch, "api-options-batch"),
    *route("options/<str:symbol>", options.OneOption, "api-option"),
    *route("bonds", bonds.Bonds, "api-bonds"),
    *route("bonds/batch", bonds.BondBatch, "api-bonds-batch"),
    *route("bonds/<uuid:bond_id>", bonds.OneBond, "api-bond"),
    *route("market/vix", market.Vix, "api-vix"),
    *route("market/vix/history", market.VixHistory, "api-vix-history"),
    *route("quotes", quotes.Quotes, "api-quotes"),
    *route("quotes/history", quotes.QuoteHistory, "api-quote-history"),
    *route("data/quality", data.DataQuality, "api-data-quality"),
    *route("data/providers", data.Providers, "api-data-providers"),
    *route("data/quarantine", data.Quarantine, "api-data-quarantine"),
    *route("data/quarantine/<uuid:doubt_id>/accept", data.AcceptDoubt, "api-doubt-accept"),
    *route("data/quarantine/<uuid:doubt_id>/reject", data.RejectDoubt, "api-doubt-reject"),
    *route("rates", market.Rates, "api-rates"),
    *route("calendar", market.Calendar, "api-calendar"),
    *route("calendar/is-trading-day", market.IsTradingDay, "api-is-trading-day"),
]
