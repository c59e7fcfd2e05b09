"""Refusals a user can understand: a stable code, an HTTP status, a sentence, its figures."""


class DomainError(Exception):
    """A command that cannot be carried out, said so that a person can act on it."""

    code = "domain_error"
    status = 400

    def __init__(self, detail: str, *, code: str | None = None, **figures: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.figures = figures
        if code is not None:
            self.code = code


class BadInput(DomainError):
    """A value the sender can mend; `attr` in the figures names the field."""

    code, status = "validation_error", 400


class NotAuthenticated(DomainError):
    """Nobody we know is asking."""

    code, status = "not_authenticated", 401


class NotAllowed(DomainError):
    """The object is visible, the act is not permitted."""

    code, status = "permission_denied", 403


class NotFound(DomainError):
    """There is no such thing, or it is not yours; the two look alike."""

    code, status = "not_found", 404


class Conflict(DomainError):
    """The present state does not allow it."""

    code, status = "conflict", 409


class VersionMismatch(DomainError):
    """Somebody changed it since it was read."""

    code, status = "version_mismatch", 412


class PreconditionRequired(DomainError):
    """The change needs an If-Match header."""

    code, status = "precondition_required", 428


class LimitBreached(DomainError):
    """Cash, inventory or a risk limit says no."""

    code, status = "limit_breached", 422


class NotEnoughData(DomainError):
    """The inputs for this figure are not there."""

    code, status = "insufficient_data", 422


class Unavailable(DomainError):
    """A part we need does not answer; trying again later may help."""

    code, status = "calculation_unavailable", 503


class LeaseLost(DomainError):
    """Another worker has taken this run over."""

    code, status = "lease_lost", 409
