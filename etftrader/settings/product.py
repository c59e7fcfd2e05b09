"""What the product asks of its environment: provider, replay, demo, defaults."""

from datetime import date

from etftrader.settings.env import EMBEDDED, env

__all__ = [
    "DEMO_PASSWORD",
    "DEMO_URL_NOTE",
    "LIVE_FEED",
    "MARKETDATA_PROVIDER",
    "REGISTRATION_OPEN",
    "REPLAY_BAR_SECONDS",
    "REPLAY_OPEN",
    "REPLAY_START",
]

MARKETDATA_PROVIDER = env.str("MARKETDATA_PROVIDER", "bundled")
LIVE_FEED = env.str("LIVE_FEED", "sim")  # off, sim
REPLAY_START = date.fromisoformat(env.str("REPLAY_START", "2016-06-22"))
REPLAY_OPEN = env.bool("REPLAY_OPEN", EMBEDDED)
REPLAY_BAR_SECONDS = env.float("REPLAY_BAR_SECONDS", 2.0)
REGISTRATION_OPEN = env.bool("REGISTRATION_OPEN", False)
DEMO_PASSWORD = env.str("DEMO_PASSWORD", "")
DEMO_URL_NOTE = EMBEDDED and bool(DEMO_PASSWORD)  # the sign-in page may name the demo users
