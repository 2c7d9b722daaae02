"""Which statements are not Trino's SQL, and why: reads {name: sql} from stdin, prints {name: [complaint]}.

sqlglot's parser forgives what other engines know (`x::int`, `IFNULL`, `ILIKE`), so a statement has to parse in Trino's
and in Athena's dialect, and each of its tokens has to be one that is known to be Trino's.
"""

import json
import re
import sys

import sqlglot
from sqlglot.dialects.trino import Trino
from sqlglot.tokens import TokenType as Kind

# By the section of https://trino.io/docs/current/functions.html that describes them.
FUNCTIONS = {
    "aggregate": {"count", "max", "min", "sum"},
    "array": {"element_at", "transform"},
    "conditional": {"coalesce", "nullif"},
    "conversion": {"cast"},
    "datetime": {"date_diff", "day_of_week", "extract"},
    "string": {"lower", "substr", "trim", "upper"},
    "window": {"row_number"},
}
KNOWN = set().union(*FUNCTIONS.values())

# Followed by a parenthesis without being called: clauses, operators, and ROW and UNNEST of the grammar.
CLAUSES = {"as", "and", "or", "not", "in", "on", "by", "from", "select", "where", "when", "then", "else", "between"}
CLAUSES |= {"over", "filter", "row", "unnest"}

# https://trino.io/docs/current/language/reserved.html, those that a name could be.
RESERVED = set(
    """alter constraint create cross cube current_date current_time current_timestamp current_user deallocate delete
    describe drop escape except execute exists extract false for full grouping having insert intersect into json_array
    json_exists json_object json_query json_table json_value like listagg localtime localtimestamp natural normalize
    outer prepare recursive rollup skip table trim true uescape union using values""".split()
)

PUNCTUATION = {
    Kind.L_PAREN, Kind.R_PAREN, Kind.COMMA, Kind.DOT, Kind.STAR, Kind.SLASH, Kind.PLUS, Kind.DASH, Kind.ARROW,
    Kind.EQ, Kind.NEQ, Kind.LT, Kind.LTE, Kind.GT, Kind.GTE,
}
VALUES = {Kind.STRING, Kind.NUMBER, Kind.NULL, Kind.TRUE, Kind.FALSE}
WORDS = {
    Kind.WITH, Kind.SELECT, Kind.DISTINCT, Kind.FROM, Kind.WHERE, Kind.GROUP_BY, Kind.HAVING, Kind.ORDER_BY, Kind.ASC,
    Kind.DESC, Kind.LIMIT, Kind.ALIAS, Kind.CROSS, Kind.LEFT, Kind.INNER, Kind.JOIN, Kind.ON, Kind.UNNEST, Kind.AND,
    Kind.OR, Kind.NOT, Kind.IN, Kind.IS, Kind.BETWEEN, Kind.LIKE, Kind.CASE, Kind.WHEN, Kind.THEN, Kind.ELSE, Kind.END,
    Kind.OVER, Kind.PARTITION_BY, Kind.FILTER, Kind.STRUCT, Kind.UNION,
}
TYPES = {"bigint", "double", "varchar", "date", "timestamp"}


def complaints(sql):
    found = []
    for dialect in ("trino", "athena"):
        try:
            statements = sqlglot.parse(sql, read=dialect, error_level=sqlglot.ErrorLevel.RAISE)
            if len(statements) != 1 or not isinstance(statements[0], sqlglot.exp.Query):
                found.append(f"{dialect}: is not one query")
            for statement in statements:
                kinds = {kind.this.name.lower() for kind in statement.find_all(sqlglot.exp.DataType)}
                found.extend(f"{dialect}: {kind} is not on the list of Trino's types" for kind in kinds - TYPES)
        except sqlglot.errors.SqlglotError as error:
            found.append(f"{dialect}: {error}")
    tokens = Trino().tokenize(sql)
    if tokens and tokens[0].token_type not in (Kind.WITH, Kind.SELECT):
        found.append(f"begins with {tokens[0].text}")
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None]):
        found.extend(odd(before, token, after))
    return found


def odd(before, token, after):
    text = token.text.lower()
    named = before is not None and (before.token_type == Kind.DOT or before.token_type == Kind.ALIAS)
    called = after is not None and after.token_type == Kind.L_PAREN
    where = f"line {token.line}: "
    if token.token_type == Kind.COMMA and (after is None or after.token_type in (Kind.FROM, Kind.R_PAREN, Kind.WHERE)):
        yield where + "a comma before nothing"
    elif token.text == "==":
        yield where + "== is not on the list of Trino's words"
    elif token.token_type == Kind.IDENTIFIER or token.token_type in PUNCTUATION | VALUES:
        return
    elif token.token_type == Kind.VAR and not re.fullmatch("[a-z_][a-z0-9_]*", text):
        yield where + f"{token.text} is no name"
    elif called and text not in KNOWN | CLAUSES and not named:
        yield where + f"{token.text} is not on the list of Trino's functions"
    elif token.token_type == Kind.VAR and text in RESERVED and text not in KNOWN:
        yield where + f"{token.text} is a reserved word"
    elif token.token_type == Kind.VAR or token.token_type in WORDS:
        if text == "all" and before is not None and before.token_type == Kind.GROUP_BY:
            yield where + "GROUP BY ALL"
    elif not named and text not in TYPES:
        yield where + f"{token.text} is not on the list of Trino's words"


if __name__ == "__main__":
    json.dump({name: complaints(sql) for name, sql in json.load(sys.stdin).items()}, sys.stdout)
