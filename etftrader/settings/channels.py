"""Sockets, the cache and the live store: three stores, none of them a record."""

from etftrader.settings.celery import REDIS_URL
from etftrader.settings.env import env

__all__ = ["CACHES", "CACHE_URL", "CHANNELS_URL", "CHANNEL_LAYERS", "LIVE_URL"]

CACHE_URL = env.str("CACHE_URL", REDIS_URL)
CHANNELS_URL = env.str("CHANNELS_URL", REDIS_URL)
LIVE_URL = CHANNELS_URL  # live records lie beside the socket messages; both may be flushed

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL or "redis://127.0.0.1:6379/1",
        "OPTIONS": {
            "serializer": "etftrader.core.livestate.JsonSerializer",
            "socket_timeout": 1.0,
            "socket_connect_timeout": 1.0,
        },
    }
}

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            # the library's own default closes idle sockets with newer clients; say it
            "hosts": [
                {"address": CHANNELS_URL or "redis://127.0.0.1:6379/2", "socket_timeout": 30}
            ],
            "prefix": "etf-ws",
        },
    }
}
