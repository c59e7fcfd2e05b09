"""The entry of a web process: HTTP to wsgi.py in long-lived threads, sockets to the consumer."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etftrader.settings")

from a2wsgi import WSGIMiddleware
from channels.routing import ProtocolTypeRouter

from etftrader.wsgi import application as http

# isort: split
# after wsgi, which loads the apps the consumer's models belong to
from etftrader.routing import sockets

HTTP_THREADS = 8

application = ProtocolTypeRouter(
    {"http": WSGIMiddleware(http, workers=HTTP_THREADS), "websocket": sockets}
)
