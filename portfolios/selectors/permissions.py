"""The table of who may do what, as people and programs read it."""

from dataclasses import dataclass

from portfolios.constants import PERMISSIONS, READING, Action, Rule

COLUMNS = ("owner", "editor", "viewer", "staff")


@dataclass(frozen=True, slots=True)
class Line:
    """One act: a word for each column, `yes`, `no` or what it depends on."""

    action: Action
    does: str
    owner: str
    editor: str
    viewer: str
    staff: str


def table() -> list[Line]:
    """Return a line for every act, in the order of the rules."""
    return [
        Line(
            action=action,
            does=rule.does,
            owner=_of_role(rule, "owner"),
            editor=_of_role(rule, "editor"),
            viewer=_of_role(rule, "viewer"),
            staff=_of_staff(action, rule),
        )
        for action, rule in PERMISSIONS.items()
    ]


def _of_role(rule: Rule, role: str) -> str:
    if role not in rule.roles or (rule is PERMISSIONS[Action.LEAVE] and role == "owner"):
        return "no"
    return "if allowed to trade" if rule.if_can_trade and role != "owner" else "yes"


def _of_staff(action: Action, rule: Rule) -> str:
    if action in READING:
        return "yes, audited"
    return ", ".join(sorted(rule.staff)) or "no"
