"""Socket paths; the session, where there is one, is read before the consumer."""

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.urls import path

from etftrader.consumers import StreamConsumer

sockets = AuthMiddlewareStack(
    URLRouter(
        [
            path("ws/stream", StreamConsumer.as_asgi()),
            path("ws/quotes", StreamConsumer.as_asgi(implied="quotes")),
            path("ws/alerts", StreamConsumer.as_asgi(implied="alerts")),
            path("ws/portfolios/<uuid:portfolio_id>", StreamConsumer.as_asgi(implied="portfolio")),
        ]
    )
)
