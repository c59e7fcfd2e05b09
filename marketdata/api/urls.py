"""The addresses of the market data endpoints under /api/v1/."""

from etftrader.core.api.routes import route
from marketdata.api import instruments, market, prices

urlpatterns = [
    *route("instruments", instruments.Instruments, "api-instruments"),
    *route("instruments/<str:symbol>", instruments.OneInstrument, "api-instrument"),
    *route("prices", prices.Prices, "api-prices"),
    *route("market-data", prices.Prices, "api-market-data"),
    *route("market/prices/<str:symbol>", prices.PricesOf, "api-market-prices"),
    *route("market/current-prices", prices.CurrentPrices, "api-current-prices"),
    *route("market/vix", market.Vix, "api-vix"),
    *route("market/vix/history", market.VixHistory, "api-vix-history"),
    *route("quotes", prices.Quotes, "api-quotes"),
    *route("rates", market.Rates, "api-rates"),
    *route("calendar", market.Calendar, "api-calendar"),
    *route("calendar/is-trading-day", market.IsTradingDay, "api-is-trading-day"),
]
