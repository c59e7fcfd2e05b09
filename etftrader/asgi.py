"""The entry of a web process: HTTP to wsgi.py in long-lived threads, sockets to the consumer."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etftrader.settings")

from a2wsgi import WSGIMiddleware  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402

from etftrader.wsgi import application as http  # noqa: E402  loads the apps first

from etftrader.routing import sockets  # noqa: E402, I001

HTTP_THREADS = 8

application = ProtocolTypeRouter(
    {"http": WSGIMiddleware(http, workers=HTTP_THREADS), "websocket": sockets}
)
