"""Beat with a leader lock: two Beats, one voice."""

import logging
import time
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from etftrader import checks, housekeeping
from etftrader.core.livestate import LiveError
from etftrader.leader import Leadership

logger = logging.getLogger(__name__)

WAIT_S = 2.0
SHOW_S = 10.0  # between two signs of life


class LeaderScheduler(DatabaseScheduler):
    """Sends nothing while another Beat leads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Beat builds its scheduler before it says that it begins
        checks.end_unsafe_start()
        self.leadership = Leadership("beat")
        self._shown_at = float("-inf")
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due, as the leader."""
        if not self.leadership.hold():
            return WAIT_S
        self._show()
        return super().tick(*args, **kwargs)

    def _show(self) -> None:
        """Let the data page see that the timetable is awake."""
        now = time.monotonic()
        if now - self._shown_at < SHOW_S:
            return
        self._shown_at = now
        try:
            housekeeping.send()
        except LiveError as error:
            logger.warning("no sign of life", extra={"error": str(error)[:200]})

    def close(self) -> None:
        """Let the other Beat lead at once."""
        self.leadership.release()
        super().close()
