"""What the product asks of its environment: provider, replay, demo, defaults."""

from datetime import date

from etftrader.settings.env import EMBEDDED, env

__all__ = [
    "CSV_FOLDER",
    "CSV_MAX_BYTES",
    "CSV_MAX_ROWS",
    "DEMO_PASSWORD",
    "DEMO_URL_NOTE",
    "FRED_API_KEY",
    "FRED_BASE_URL",
    "FRED_CALLS_PER_MINUTE",
    "LIVE_FEED",
    "MARKETDATA_PROVIDER",
    "MARKETDATA_PROVIDER_ACTIONS",
    "MARKETDATA_PROVIDER_BARS",
    "MARKETDATA_PROVIDER_CHAINS",
    "MARKETDATA_PROVIDER_QUOTES",
    "MARKETDATA_PROVIDER_YIELDS",
    "OUTBOUND_CONNECT_S",
    "OUTBOUND_MAX_BYTES",
    "OUTBOUND_READ_S",
    "REGISTRATION_OPEN",
    "REPLAY_BAR_SECONDS",
    "REPLAY_OPEN",
    "REPLAY_START",
    "REPLAY_START_GIVEN",
    "YAHOO_BASE_URL",
    "YAHOO_CALLS_PER_MINUTE",
    "YAHOO_STREAM_URL",
]

MARKETDATA_PROVIDER = env.str("MARKETDATA_PROVIDER", "bundled")
# the order of one dataset, where it is another
MARKETDATA_PROVIDER_BARS = env.str("MARKETDATA_PROVIDER_BARS", "")
MARKETDATA_PROVIDER_ACTIONS = env.str("MARKETDATA_PROVIDER_ACTIONS", "")
MARKETDATA_PROVIDER_YIELDS = env.str("MARKETDATA_PROVIDER_YIELDS", "")
MARKETDATA_PROVIDER_QUOTES = env.str("MARKETDATA_PROVIDER_QUOTES", "")
MARKETDATA_PROVIDER_CHAINS = env.str("MARKETDATA_PROVIDER_CHAINS", "")
LIVE_FEED = env.str("LIVE_FEED", "sim")  # off, sim
REPLAY_START = date.fromisoformat(env.str("REPLAY_START", "2016-06-22"))
REPLAY_START_GIVEN = bool(env.str("REPLAY_START", ""))  # files are replayed only from a day named
REPLAY_OPEN = env.bool("REPLAY_OPEN", EMBEDDED)
REPLAY_BAR_SECONDS = env.float("REPLAY_BAR_SECONDS", 2.0)
REGISTRATION_OPEN = env.bool("REGISTRATION_OPEN", False)
DEMO_PASSWORD = env.str("DEMO_PASSWORD", "")
DEMO_URL_NOTE = EMBEDDED and bool(DEMO_PASSWORD)  # the sign-in page may name the demo users

# where providers are asked; a stand-in address joins the allowlist
YAHOO_BASE_URL = env.str("YAHOO_BASE_URL", "")
YAHOO_STREAM_URL = env.str("YAHOO_STREAM_URL", "")
YAHOO_CALLS_PER_MINUTE = env.int("YAHOO_CALLS_PER_MINUTE", 100)  # 5, 100, 1000 or 10000
FRED_BASE_URL = env.str("FRED_BASE_URL", "")
FRED_API_KEY = env.str("FRED_API_KEY", "")  # without one, the public files
FRED_CALLS_PER_MINUTE = env.int("FRED_CALLS_PER_MINUTE", 100)
CSV_FOLDER = env.str("CSV_FOLDER", "")
CSV_MAX_BYTES = env.int("CSV_MAX_BYTES", 512_000_000)
CSV_MAX_ROWS = env.int("CSV_MAX_ROWS", 5_000_000)
OUTBOUND_CONNECT_S = env.float("OUTBOUND_CONNECT_S", 3.0)
OUTBOUND_READ_S = env.float("OUTBOUND_READ_S", 10.0)
OUTBOUND_MAX_BYTES = env.int("OUTBOUND_MAX_BYTES", 10_000_000)  # decompressed
