"""One per cent changed: lakefold's second run against the same merge in DuckDB, and in Spark as the old job did it."""

import functools
import os
import shutil
import subprocess

import duckdb

import changes
import checks
import corpus
import installed
import measuring
from report import Table, Target, amount, spread_text

TITLE = "Incremental"
SHARE = 0.01
SPARK_START = "spark, start and stop alone"


def run(bench):
    totals = bench.collection("bills")
    base = bench.fresh_lake("base", "bills")
    base.run()
    wrong = checks.wrong(base.table("bills"), "bills", totals)
    if wrong:
        raise SystemExit(f"bench: the base lake is wrong: {wrong}")
    collection = bench.mongod.client[corpus.DATABASE]["bills"]
    tables, targets = [], []
    spreads = (
        ("spread over all partitions", None, ("duckdb", "spark")),
        (f"in {changes.TEN} partitions", changes.TEN, ("duckdb",)),
    )
    for what, partitions, peers in spreads:
        ids, touched = changes.chosen(collection, SHARE, partitions)
        change = changes.Change(collection, ids, totals)
        try:
            title = f"{len(ids):,} of {totals.rows:,} bills changed, {what} ({touched} touched)"
            bench.say(title)
            costs, failures = measured(bench, base, change, peers)
        finally:
            change.undo()
        bench.keep(f"incremental-{touched}", {"costs": costs, "failures": failures, "changed": len(ids)})
        tables.append(table_of(title, change, costs, failures))
        target = functools.partial(Target.of, f"1 % changed, {what}", costs=costs, failures=failures)
        if partitions:
            targets.append(target("duckdb", "wall", 0.5, "at most 0.5x"))
        else:
            targets.append(target("duckdb", "cpu", 0.8, "at most 0.8x"))
            targets.append(target("duckdb", "wall", 1.0, "at most 1.0x"))
            targets.append(target("duckdb", "rss_mb", 0.5, "at most 0.5x"))
            targets.append(target("spark", "wall", 0.1, "at most 0.1x"))
    notes = [
        "Each round begins with the same lake, on disk (links to its files, which all three replace and none writes into), and its clock stops when the file system is "
        "synced. lakefold reads the change from MongoDB and finds what it is; DuckDB and Spark are handed it as a "
        "Parquet file with the lake's columns, keep no journal, no index and no watermark. DuckDB reads the touched "
        "files, takes the newest per `_id` by QUALIFY and writes one partitioned zstd-3 COPY. Spark (local[2]) reads "
        "everything, unions, takes the newest by `row_number()`, and one task (`coalesce(1)`) writes a new lake; its "
        "wall time includes the start of Java, which stands apart in the last line.",
    ]
    return {"tables": tables, "targets": targets, "notes": notes}


def measured(bench, base, change, peers):
    """Costs and failures of all tools; the change as a file comes from a lakefold run outside the measurement."""
    folder = bench.empty("change")
    copy = copied(bench, base)
    copy.run()
    prepare(copy.table("bills"), f"{folder}/changes.parquet", change)
    tools = {"lakefold": functools.partial(ours_once, bench, base, change)}
    if "duckdb" in peers:
        tools["duckdb"] = functools.partial(duckdb_once, bench, base, change, f"{folder}/changes.parquet")
    if "spark" in peers:
        tools["spark"] = functools.partial(spark_once, bench, base, change, f"{folder}/changes.parquet")
        tools[SPARK_START] = functools.partial(spark, bench, [], "")
    return measuring.rounds(tools, bench.runs, bench.say)


def copied(bench, base):
    """The base lake once more, as a lake of its own.

    Its files are links: a copy would be other files, for which lakefold builds its index anew, and nobody writes into a
    file of the lake, all replace it.
    """
    lake = bench.fresh_lake("lake", "bills")
    subprocess.run(["cp", "-al", f"{base.folder}/lake", f"{lake.folder}/lake"], check=True)
    return lake


def prepare(table, out, change):
    """The changed rows with the lake's columns, the keys of the partitions among them."""
    latest = change.totals.latest
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"""COPY (
                    FROM read_parquet('{table}/**/data.parquet', hive_partitioning = true, hive_types_autocast = false)
                    WHERE _modified_ms = {latest}
                ) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"""
        ).fetchone()[0]
    if rows != len(change.originals):
        raise SystemExit(f"bench: {rows} rows of the lake are changed, should be {len(change.originals)}")


def ours_once(bench, base, change):
    lake = copied(bench, base)
    cost = lake.run()
    table = lake.table("bills")
    record = cost["record"]["collections"][0]
    cost |= {"files": record["files"]["written"], "bytes": record["bytes"]["written"]}
    return cost | {"wrong": checks.wrong(table, "bills", change.totals)}


def duckdb_once(bench, base, change, changed):
    lake, work = copied(bench, base), bench.empty("duckdb")
    table = lake.table("bills")
    before = {path: os.stat(path).st_mtime_ns for path in checks.files_below(table)[0]}
    cost = measuring.run(
        [installed.PYTHON, "-m", "peers.duckdb", table, changed, f"{work}/out"], folder=bench.programs, sync=work
    )
    cost.pop("stdout")
    written = [path for path in checks.files_below(table)[0] if os.stat(path).st_mtime_ns != before.get(path)]
    cost |= {"files": len(written), "bytes": sum(map(os.path.getsize, written))}
    return cost | {"wrong": checks.wrong(table, "bills", change.totals)}


def spark_once(bench, base, change, changed):
    lake, work = copied(bench, base), bench.empty("spark")
    cost = spark(bench, [lake.table("bills"), changed, f"{work}/out"], work)
    files, size = checks.files_below(f"{work}/out")
    wrong = checks.wrong(f"{work}/out", "bills", change.totals)
    shutil.rmtree(work)
    return cost | {"files": len(files), "bytes": size, "wrong": wrong}


def spark(bench, arguments, sync):
    cost = measuring.run(
        [os.path.join(installed.READERS, "bin", "python"), "-m", "peers.spark", *arguments],
        environment={"JAVA_HOME": os.path.join(installed.READERS, "java")},
        folder=bench.programs,
        sync=sync,
    )
    cost.pop("stdout")
    return cost | {"files": 0, "bytes": 0, "wrong": ""}


def table_of(title, change, costs, failures):
    rows = []
    for tool, rounds in costs.items():
        if tool in failures or not rounds:
            rows.append([tool, "failed: " + failures.get(tool, "never ran")] + [""] * 6)
            continue
        summary = measuring.summary(rounds)
        wrong = next((cost["wrong"] for cost in rounds if cost["wrong"]), "")
        started = tool == SPARK_START
        rows.append(
            [tool, *(spread_text(summary[measure], digits) for measure, digits in zip(measuring.MEASURES, (2, 2, 0)))]
            + [""] * 4 * started
        )
        if not started:
            size = rounds[-1]["bytes"]
            rows[-1] += [f"{rounds[-1]['files']:,}", amount(size), f"{size / change.bytes:.1f}"]
            rows[-1] += ["**wrong**: " + wrong if wrong else "right"]
    header = [
        "tool",
        "wall s",
        "CPU s",
        "peak RSS MB",
        "files written",
        "written",
        "written per byte changed",
        "output",
    ]
    return Table(title + f", {amount(change.bytes)} of BSON", header, rows)
