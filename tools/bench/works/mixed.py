"""What becomes of values when a field holds more than one kind: how many of them each tool still has."""

import glob
import json
import random

import pyarrow.parquet

import corpus
import installed
import measuring
import ours
from report import Table

TITLE = "Fields of more than one kind"
ROWS = 5_000
NAME = "mixed"
# Of a hundred documents so many have the odd kind.
ODD = 8
WHAT = {
    "amount": "double; text, whole number",
    "visited": "date; text",
    "ward": "text; whole number",
    "doctor": "document; text",
    "tags": "list; bare text",
}
TRIES = (
    ("pymongoarrow", "pymongoarrow", ()),
    ("pymongoarrow with `allow_invalid=True`", "pymongoarrow", ("lenient",)),
    ("polars", "polars", ()),
    ("polars with `strict=False`", "polars", ("lenient",)),
    ("dlt", "dlt", ()),
)


def document(number):
    rng = random.Random(number)
    # The first documents are of the usual kinds, as where somebody looks at a few and then decides.
    odd = {field: number > 200 and rng.randrange(100) < ODD for field in WHAT}
    texts = ("N/A", "1,200.50", "see the note")
    return {
        "_id": corpus.object_id(number, number / ROWS),
        "updated_at": corpus.EPOCH,
        "amount": rng.choice((texts[number % 3], number)) if odd["amount"] else number + 0.25,
        "visited": texts[2] if odd["visited"] else corpus.when(number * 1000),
        "ward": number % 7 if odd["ward"] else f"W{number % 7}",
        "doctor": "Dr. Rao" if odd["doctor"] else {"id": f"D{number % 50}", "name": "Dr. Rao"},
        "tags": "urgent" if odd["tags"] else ["follow-up", "insured"],
    }


def run(bench):
    collection = bench.mongod.client[corpus.DATABASE][NAME]
    collection.drop()
    collection.insert_many(map(document, range(ROWS)))
    collection.create_index("updated_at")
    lake = ours.Lake(bench.binary, bench.empty(NAME), bench.mongod.uri, [(corpus.DATABASE, NAME, "")])
    lake.run()
    lines = [line("lakefold", kept_rows(read(f"{lake.table(NAME)}/**/*.parquet")))]
    for title, peer, more in TRIES:
        folder = bench.empty(f"peer-{peer}")
        out = folder if peer == "dlt" else f"{folder}/{NAME}.parquet"
        command = [installed.PYTHON, "-m", f"peers.{peer}", bench.mongod.uri, corpus.DATABASE, NAME, out, *more]
        try:
            measuring.run(command, folder=bench.programs)
        except measuring.Failed as failure:
            lines.append([title, f"fails: {reason(failure)}"] + [""] * len(WHAT))
            continue
        rows = kept_by_dlt(f"{folder}/files/lake") if peer == "dlt" else kept_rows(read(out))
        lines.append(line(title, rows))
    bench.keep(NAME, lines)
    header = ["tool", "rows", *(f"`{field}`: {kinds}" for field, kinds in WHAT.items())]
    notes = [
        f"{ROWS:,} documents; about {ODD} % of the values of each field are of the kinds after the semicolon, none in "
        "the first 200. Counted is how many values a tool's output does not have at all any more (NULL in every column "
        "that could hold them; for lakefold, `_misfits` counts as one).",
    ]
    return {"tables": [Table("Values lost", header, lines)], "targets": [], "notes": notes}


def reason(failure):
    """The line of a traceback that names the error, cut where it goes on at length."""
    parts = str(failure).removeprefix("ended with 1: ").split(" / ")
    return next((part for part in reversed(parts) if "Error" in part), parts[-1]).split(";")[0][:160]


def read(pattern):
    return [
        row
        for file in sorted(glob.glob(pattern, recursive=True))
        for row in pyarrow.parquet.ParquetFile(file).read().to_pylist()
    ]


def is_there(value):
    if isinstance(value, dict):
        return any(map(is_there, value.values()))
    if isinstance(value, list):
        return any(map(is_there, value))
    return value is not None


def kept_rows(rows):
    """For each row the fields whose value is still there."""
    kept = []
    for row in rows:
        beside = json.loads(row.get("_misfits") or "{}")
        kept.append({field for field in WHAT if is_there(row.get(field)) or f"/{field}" in beside})
    return kept


def kept_by_dlt(folder):
    """The same of dlt: `amount`, `amount__v_text`, `doctor__name`, and the rows of the table `mixed__tags`."""
    in_lists = {row["_dlt_parent_id"] for row in read(f"{folder}/{NAME}__tags/*.parquet")}
    kept = []
    for row in read(f"{folder}/{NAME}/*.parquet"):
        there = {column.split("__")[0] for column, value in row.items() if value is not None}
        kept.append({field for field in WHAT if field in there or (field == "tags" and row["_dlt_id"] in in_lists)})
    return kept


def line(title, kept):
    lost = [sum(field not in row for row in kept) for field in WHAT]
    return [title, f"{len(kept):,}", *(f"{count:,}" for count in lost)]
