"""One voice among several processes: a lock that dies with its holder.

PostgreSQL: a session advisory lock on a connection of its own. SQLite: a lock on a file beside
the database.
"""

import fcntl
import hashlib
from typing import IO, Any

import psycopg
from django.conf import settings
from django.db import connection, connections


class Leadership:
    """Tries to become the leader for a name, and says whether it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._file: IO[str] | None = None
        self._session: Any = None

    def hold(self) -> bool:
        """Become or stay the leader; False while somebody else is."""
        if connection.vendor == "postgresql":
            return self._hold_session()
        return self._hold_file()

    def release(self) -> None:
        """Let somebody else lead."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._session is not None:
            self._session.close()
            self._session = None

    def _hold_file(self) -> bool:
        if self._file is not None:
            return True
        handle = (settings.VAR / f"leader-{self.name}.lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return False
        self._file = handle
        return True

    def _hold_session(self) -> bool:
        if self._session is not None:
            try:
                self._session.execute("SELECT 1")
            except psycopg.OperationalError:
                self._session = None
            else:
                return True
        parameters = connections["default"].get_connection_params()
        parameters.pop("cursor_factory", None)
        parameters.pop("context", None)
        parameters["options"] = "-c statement_timeout=5s"
        session = psycopg.connect(**parameters, autocommit=True)
        number = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big", signed=True)
        row = session.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchone()
        if not row or not row[0]:
            session.close()
            return False
        self._session = session
        return True
