"""What can go wrong on the way out, told apart so that callers know what another try is worth."""

from etftrader.core.errors import BadInput, Unavailable


class OutboundRefused(BadInput):
    """Our own rules forbid the address; no connection was made."""

    code = "address_refused"


class OutboundFailed(Unavailable):
    """The other side was asked and the answer is of no use."""

    code = "provider_failed"
    again = False  # whether the same question may be answered a moment later
    answered = False  # whether the source itself is well: it said no


class NotReached(OutboundFailed):
    """No connection, or one that broke before the answer was whole."""

    code, again = "provider_unreachable", True


class TimedOut(OutboundFailed):
    """No connection or no whole answer in the time allowed."""

    code, again = "provider_timeout", True


class RateLimited(OutboundFailed):
    """The source asks for fewer questions; `retry_after_s` is the pause it named, if any."""

    code, again = "provider_rate_limited", True

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s


class ServerFailed(RateLimited):
    """The source failed inside (5xx); it may name a pause as well."""

    code = "provider_error"


class TooLarge(OutboundFailed):
    """The answer is larger than we take, unpacked."""

    code = "provider_answer_too_large"


class Unreadable(OutboundFailed):
    """The answer is not what was asked for: another format, cut off, or moved elsewhere."""

    code = "provider_answer_unreadable"


class NotKnown(OutboundFailed):
    """The source has no such thing."""

    code, answered = "provider_not_found", True


class TurnedDown(OutboundFailed):
    """The source understood and refuses: a key, a right or a parameter is wrong."""

    code, answered = "provider_refused", True


class Paused(OutboundFailed):
    """The source failed repeatedly and is left alone for a while."""

    code = "provider_paused"


class Throttled(OutboundFailed):
    """Our own rate for this source is used up for longer than a caller may wait."""

    code = "provider_throttled"
