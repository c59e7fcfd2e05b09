"""The states of an order and the only ways between them."""

ACCEPTED = "accepted"
PARTIALLY_FILLED = "partially_filled"
FILLED = "filled"
REJECTED = "rejected"
CANCELLED = "cancelled"
EXPIRED = "expired"
BUSTED = "busted"

STATES = (ACCEPTED, PARTIALLY_FILLED, FILLED, REJECTED, CANCELLED, EXPIRED, BUSTED)
BIRTHS = frozenset({ACCEPTED, FILLED, REJECTED})
TRANSITIONS: dict[str, frozenset[str]] = {
    ACCEPTED: frozenset({PARTIALLY_FILLED, FILLED, CANCELLED, EXPIRED}),
    PARTIALLY_FILLED: frozenset({PARTIALLY_FILLED, FILLED, CANCELLED, EXPIRED, BUSTED}),
    FILLED: frozenset({BUSTED}),
    REJECTED: frozenset(),
    CANCELLED: frozenset(),
    EXPIRED: frozenset(),
    BUSTED: frozenset(),
}
OPEN = frozenset({ACCEPTED, PARTIALLY_FILLED})
TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


def may_follow(current: str | None, target: str) -> bool:
    """Say whether an order in `current` may move to `target`; None is an order not yet born.

    Raises ValueError for a word that is not a state.
    """
    unknown = {state for state in (current, target) if state is not None} - set(STATES)
    if unknown:
        raise ValueError(f"not an order state: {', '.join(sorted(unknown))}")
    if current is None:
        return target in BIRTHS
    return target in TRANSITIONS[current]
