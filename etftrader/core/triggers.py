"""Append-only tables: triggers that refuse UPDATE and DELETE, on both engines.

SQLite drops a table's triggers when a migration rebuilds it: name the table again in that
migration.
"""

from typing import Any

from django.db import migrations

_FUNCTION = """
CREATE OR REPLACE FUNCTION etf_append_only() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION 'append-only: % of % refused', TG_OP, TG_TABLE_NAME;
END $$ LANGUAGE plpgsql
"""


def append_only(*tables: str) -> migrations.RunPython:
    """A migration operation that guards the tables."""

    def forward(apps: Any, editor: Any) -> None:
        guard(editor.connection, *tables)

    def backward(apps: Any, editor: Any) -> None:
        lift(editor.connection, *tables)

    return migrations.RunPython(forward, backward)


def guard(connection: Any, *tables: str) -> None:
    """Create the triggers."""
    lift(connection, *tables)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_FUNCTION)
        for table in tables:
            for statement in _create(connection.vendor, table):
                cursor.execute(statement)


def lift(connection: Any, *tables: str) -> None:
    """Drop the triggers: before a table is altered, and between tests."""
    on = "" if connection.vendor == "sqlite" else ' ON "{}"'
    with connection.cursor() as cursor:
        for table in tables:
            for act in ("update", "delete"):
                name = trigger_name(table, act)
                cursor.execute(f'DROP TRIGGER IF EXISTS "{name}"' + on.format(table))


def trigger_name(table: str, act: str) -> str:
    """The name of a table's guard against `update` or `delete`."""
    return f"{table}_no_{act}"


def _create(vendor: str, table: str) -> list[str]:
    if vendor == "postgresql":
        return [
            f'CREATE TRIGGER "{trigger_name(table, act)}" BEFORE {act.upper()} ON "{table}" '
            "FOR EACH ROW EXECUTE FUNCTION etf_append_only()"
            for act in ("update", "delete")
        ]
    return [
        f'CREATE TRIGGER "{trigger_name(table, act)}" BEFORE {act.upper()} ON "{table}" '
        f"BEGIN SELECT RAISE(ABORT, 'append-only: {act} of {table} refused'); END"
        for act in ("update", "delete")
    ]
