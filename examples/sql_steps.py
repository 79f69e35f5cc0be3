"""The steps of 15_text_to_sql.yaml. A function stands in the place of the model here: `link` and `write_sql`. The rest is real."""

import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass
class Candidate:
    sql: str
    rows: list[list[Any]]
    changes: int


def tables_of(database: str) -> dict[str, list[str]]:
    """Return the columns of every table."""
    with sqlite3.connect(database) as db:
        names = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        return {name: [column[1] for column in db.execute(f"pragma table_info({name})")] for name in names}


def link(question: str, tables: dict[str, list[str]]) -> dict[str, list[str]]:
    """A model would say what the question is about; this takes the tables whose name it mentions."""
    return {name: columns for name, columns in tables.items() if name.rstrip("s") in question}


def write_sql(question: str, tables: dict[str, list[str]], style: str, error: str | None) -> str:
    """A model would write this. This one takes a column that is not there, and mends it when it is told: all but the careful one."""
    table, columns = next(iter(tables.items()))
    column = columns[-1] if style == "careful" or (error and "no such column" in error) else "cost"
    if "cheaper" in question:
        return f"update {table} set {column} = {column} / 2"
    return f"select {columns[0]} from {table} order by {column} desc limit 1"


def try_sql(database: str, sql: str) -> dict[str, Any]:
    """Run a query, take back what it changes, and say what would have been."""
    db = sqlite3.connect(database)
    try:
        found = db.execute(sql)
        return {"rows": [list(row) for row in found], "changes": max(0, found.rowcount), "error": ""}
    except sqlite3.Error as wrong:
        return {"rows": [], "changes": 0, "error": str(wrong)}
    finally:
        db.rollback()
        db.close()


def choose(candidates: list[Candidate]) -> Candidate:
    """Return the first candidate with the result that most of them have."""
    votes = Counter(repr((one.rows, one.changes)) for one in candidates)
    return max(candidates, key=lambda one: votes[repr((one.rows, one.changes))])


def run_sql(database: str, sql: str, allowed_by: str) -> str:
    """Run a query for good, and say what it has changed."""
    with sqlite3.connect(database) as db:
        return f"{db.execute(sql).rowcount} rows, allowed by {allowed_by}"
