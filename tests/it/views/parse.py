"""Reads SQL statements, parted by `;` at the ends of lines, as Trino and as Athena: prints the columns of each view."""

import json
import sys

import sqlglot
from sqlglot import exp

with open(sys.argv[1]) as file:
    statements = file.read()
views = {}
for dialect in ("trino", "athena"):
    for statement in sqlglot.parse(statements, read=dialect, error_level=sqlglot.ErrorLevel.RAISE):
        if statement is None:
            continue
        assert isinstance(statement, exp.Create) and statement.kind == "VIEW" and statement.args["replace"], statement
        columns = statement.expression.named_selects
        assert "" not in columns and "*" not in columns, columns
        name = ".".join(part.name for part in statement.this.parts)
        assert views.setdefault(name, columns) == columns, "the dialects disagree"
json.dump(views, sys.stdout)
