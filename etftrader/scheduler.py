"""Beat with a leader lock: two Beats, one voice."""

import logging
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from etftrader import checks
from etftrader.leader import Leadership

logger = logging.getLogger(__name__)

WAIT_S = 2.0


class LeaderScheduler(DatabaseScheduler):
    """Sends nothing while another Beat leads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Beat builds its scheduler before it says that it begins
        checks.end_unsafe_start()
        self.leadership = Leadership("beat")
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due, as the leader."""
        if not self.leadership.hold():
            return WAIT_S
        return super().tick(*args, **kwargs)

    def close(self) -> None:
        """Let the other Beat lead at once."""
        self.leadership.release()
        super().close()
