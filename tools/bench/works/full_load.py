"""A full load of each collection, against the limit and three peers."""

import functools
import json

import checks
import corpus
import installed
import measuring
import ours
from report import Table, Target, amount, spread_text

TITLE = "Full load"
PEERS = ("pymongoarrow", "polars", "dlt")
# Against whom, in what, how much at most, and the same in words.
TARGETS = (
    ("drain", "cpu", 6.0, "at most 6x (8x is the least that passes)"),
    ("drain", "wall", 2.5, "at most 2.5x"),
    ("pymongoarrow", "cpu", 0.3, "at most 0.3x"),
    ("pymongoarrow", "rss_mb", 0.5, "at most 0.5x"),
    ("dlt", "cpu", 0.06, "at most 0.06x"),
    ("polars", "cpu", 0.08, "at most 0.08x"),
)


def run(bench):
    tables, targets, notes = [], [], []
    for name in corpus.MAKERS:
        totals = bench.collection(name)
        tools = {"lakefold": functools.partial(ours_once, bench, name, totals)}
        tools["drain"] = functools.partial(drain_once, bench, name, totals)
        for peer in PEERS:
            tools[peer] = functools.partial(peer_once, bench, peer, name, totals)
        bench.say(f"{name}: {totals.rows:,} documents, {totals.bytes / 1e6:.0f} MB of BSON")
        costs, failures = measuring.rounds(tools, bench.runs, bench.say)
        bench.keep(f"full-{name}", {"costs": costs, "failures": failures, "totals": vars(totals)})
        tables.append(table_of(name, totals, costs, failures))
        for peer, measure, limit, text in TARGETS:
            targets.append(Target.of(f"full load of `{name}`", peer, measure, limit, text, costs, failures))
    notes.append(
        "`bills` is cut by 60 dates and 6 facilities, `wide` by 60 dates. lakefold partitions, sorts, deduplicates, "
        "syncs and keeps its index; the drain writes nothing, and the peers write one unsorted, unpartitioned file "
        "(dlt: a few files for each of its tables). zstd level 3 for lakefold, pymongoarrow and polars; dlt as it "
        f'comes. lakefold runs with `memory = "{ours.MEMORY}"`. pymongoarrow is told the columns, its fastest way.'
    )
    return {"tables": tables, "targets": targets, "notes": notes}


def ours_once(bench, name, totals):
    lake = bench.fresh_lake(f"full-{name}", name)
    cost = lake.run()
    return checked(cost, lake.table(name), checks.wrong(lake.table(name), name, totals))


def drain_once(bench, name, totals):
    cost = measuring.run([bench.drain, bench.mongod.uri, corpus.DATABASE, name])
    found = json.loads(cost.pop("stdout"))
    wrong = "" if (found["documents"], found["bytes"]) == (totals.rows, totals.bytes) else f"drained {found}"
    return {**cost, "files": 0, "bytes": 0, "wrong": wrong}


def peer_once(bench, peer, name, totals):
    folder = bench.empty(f"peer-{peer}")
    out = folder if peer == "dlt" else f"{folder}/{name}.parquet"
    cost = measuring.run(
        [installed.PYTHON, "-m", f"peers.{peer}", bench.mongod.uri, corpus.DATABASE, name, out],
        folder=bench.programs,
        sync=folder,
    )
    cost.pop("stdout")
    if peer == "dlt":
        folder = f"{folder}/files/lake"
        wrong = checks.wrong_flattened(folder, name, totals)
    else:
        wrong = checks.wrong(folder, name, totals)
    return checked(cost, folder, wrong)


def checked(cost, folder, wrong):
    files, size = checks.files_below(folder)
    cost |= {"files": len(files), "bytes": size, "wrong": wrong}
    return cost


def table_of(name, totals, costs, failures):
    rows = []
    for tool, rounds in costs.items():
        if tool in failures or not rounds:
            rows.append([tool, "failed: " + failures.get(tool, "never ran")] + [""] * 6)
            continue
        summary = measuring.summary(rounds)
        wrong = next((cost["wrong"] for cost in rounds if cost["wrong"]), "")
        rows.append(
            [
                tool,
                spread_text(summary["wall"], 2),
                spread_text(summary["cpu"], 2),
                spread_text(summary["rss_mb"], 0),
                f"{totals.bytes / 1e6 / summary['cpu']['median']:.0f}",
                f"{rounds[-1]['files']:,}",
                amount(rounds[-1]["bytes"]),
                "**wrong**: " + wrong if wrong else "right",
            ]
        )
    return Table(
        f"`{name}`: {totals.rows:,} documents, {totals.bytes / 1e6:,.0f} MB of BSON "
        f"({totals.bytes // totals.rows:,} B each)",
        ["tool", "wall s", "CPU s", "peak RSS MB", "BSON MB/s per core", "files", "written", "output"],
        rows,
    )
