"""The queue to the workers: a task by its name, and a broker that is away asked once."""

import time

from celery import current_app
from kombu.exceptions import OperationalError as BrokerAway

__all__ = ["BrokerAway", "send"]

BROKER_REST_S = 5.0  # how long nobody asks the broker after it did not answer


class _Broker:
    """When this process may ask the broker again."""

    ask_again_at = 0.0


def send(task: str, **words: str) -> None:
    """Put a task on the queue, by name.

    Raises BrokerAway or OSError; at once when the broker did not answer a moment ago, so that
    one request waits for its time-out and not each of them. The sweepers send it later.
    """
    if time.monotonic() < _Broker.ask_again_at:
        raise BrokerAway("The broker did not answer a moment ago.")
    try:
        current_app.send_task(task, kwargs=words, retry=False)
    except (BrokerAway, OSError):
        _Broker.ask_again_at = time.monotonic() + BROKER_REST_S
        raise
