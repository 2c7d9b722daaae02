"""Whether the cost of a change follows the change: the same change in lakes with more and more untouched partitions."""

import datetime
import functools
import random
import uuid

import bson
from bson.binary import UuidRepresentation

import measuring
import ours
import servers
from report import Table, Target, ratio_text, spread_text

TITLE = "How cost grows"
FACTORS = (1, 10, 100)
DATABASE = "growth"
TOUCHED = 8
TOUCHED_ROWS = 2_000
CHANGED = 20
UNTOUCHED = 20
UNTOUCHED_ROWS = 20
START = datetime.datetime(2024, 1, 1)


def run(bench):
    untouched = max(2, min(UNTOUCHED, round(200 * bench.scale)))
    tables, targets, all_costs = [], [], {}
    for kind in ("ObjectId", "random UUID"):
        lakes = {}
        for factor in FACTORS:
            lakes[factor] = made(bench, kind, factor, untouched)
        tools = {factor: functools.partial(once, bench, lake, name) for factor, (lake, name) in lakes.items()}
        costs, failures = measuring.rounds(tools, bench.runs, bench.say)
        if failures:
            raise SystemExit(f"bench: {failures}")
        all_costs[kind] = costs
        tables.append(table_of(kind, untouched, costs))
        targets += targets_of(kind, costs)
    bench.keep("growth", all_costs)
    bench.mongod.client.drop_database(DATABASE)
    notes = [
        f"{TOUCHED} partitions of {TOUCHED_ROWS:,} rows, of each of which {CHANGED} rows change in every run, and "
        f"{untouched}, {untouched * 10} and {untouched * 100:,} partitions of {UNTOUCHED_ROWS} rows in which nothing "
        "does. The lakes are in S3 (SeaweedFS); requests and bytes are counted by a proxy before it.",
    ]
    return {"tables": tables, "targets": targets, "notes": notes}


def made(bench, kind, factor, untouched):
    """A collection and its lake, folded once."""
    name = f"{kind.split()[-1].lower()}_{factor}"
    collection = bench.mongod.client[DATABASE][name]
    rng = random.Random(factor)
    documents, number = [], 0
    partitions = TOUCHED + untouched * factor
    # The touched partitions lie among the others, not at an end.
    for place in range(partitions):
        touched = place * TOUCHED // partitions != (place + 1) * TOUCHED // partitions
        for row in range(TOUCHED_ROWS if touched else UNTOUCHED_ROWS):
            number += 1
            documents.append(
                {
                    "_id": identity(kind, rng, number),
                    "place": f"p{place:05}",
                    "updated_at": START,
                    "value": rng.randrange(1 << 31),
                    "note": f"{rng.getrandbits(256):064x}",
                    "changes": touched and row < CHANGED,
                }
            )
    rng.shuffle(documents)
    collection.insert_many(documents)
    collection.create_index("updated_at")
    lake = ours.Lake(
        bench.binary,
        bench.empty(f"growth-{name}"),
        bench.mongod.uri,
        [(DATABASE, name, "place=place")],
        url=f"s3://{servers.BUCKET}/growth-{name}",
        proxy=bench.s3,
    )
    # So that a run reads its own change only, and not that of the run before.
    with open(f"{lake.folder}/bench.toml") as environment:
        text = environment.read().replace("[source]\n", '[source]\noverlap = "0s"\n')
    with open(f"{lake.folder}/bench.toml", "w") as environment:
        environment.write(text)
    lake.run()
    bench.say(f"  {kind}, {partitions:,} partitions, {len(documents):,} rows: folded")
    return lake, name


def identity(kind, rng, number):
    if kind == "ObjectId":
        seconds = int(START.timestamp()) + number
        return bson.ObjectId(seconds.to_bytes(4, "big") + b"growt" + (number & 0xFFFFFF).to_bytes(3, "big"))
    return bson.Binary.from_uuid(uuid.UUID(int=rng.getrandbits(128), version=4), UuidRepresentation.STANDARD)


def once(bench, lake, name):
    now = datetime.datetime.now(datetime.timezone.utc)
    change = {"$set": {"updated_at": now}, "$inc": {"value": 1}}
    changed = bench.mongod.client[DATABASE][name].update_many({"changes": True}, change).modified_count
    bench.s3.reset()
    cost = lake.run()
    record = cost.pop("record")["collections"][0]
    rows = record["rows"]
    if (rows["updated"], record["files"]["written"], changed) != (TOUCHED * CHANGED, TOUCHED, TOUCHED * CHANGED):
        raise measuring.Failed(f"{changed} documents were changed: {rows} {record['files']}")
    return cost | {"store": bench.s3.counts()}


def table_of(kind, untouched, costs):
    rows = []
    for factor, rounds in costs.items():
        summary = measuring.summary(rounds)
        store = {
            key: measuring.spread([cost["store"][key] for cost in rounds])
            for key in ("requests", "bytes_read", "bytes_written")
        }
        methods = ", ".join(f"{count} {method}" for method, count in sorted(rounds[-1]["store"]["by_method"].items()))
        rows.append(
            [
                f"{untouched * factor:,}",
                spread_text(store["requests"], 0),
                methods,
                spread_text(store["bytes_read"], 0),
                f"{rounds[-1]['store']['bytes_read_by_method'].get('LIST', 0):,}",
                spread_text(store["bytes_written"], 0),
                spread_text(summary["cpu"], 3),
                spread_text(summary["wall"], 2),
                spread_text(summary["rss_mb"], 0),
            ]
        )
    header = [
        "untouched partitions",
        "requests",
        "of these",
        "bytes read",
        "by listings",
        "bytes written",
        "CPU s",
        "wall s",
        "peak RSS MB",
    ]
    return Table(f"_id is an {kind}" if kind[0] == "O" else f"_id is a {kind}", header, rows)


def targets_of(kind, costs):
    targets = []
    for factor in FACTORS[1:]:
        work, against = f"{factor}x the untouched partitions, {kind}", "1x"
        for what, limit, get in (
            ("requests", 1.05, lambda cost: cost["store"]["requests"]),
            ("bytes read", 1.05, lambda cost: cost["store"]["bytes_read"]),
            ("CPU", 1.15, lambda cost: cost["cpu"]),
        ):
            spread = measuring.spread([get(more) / get(less) for more, less in zip(costs[factor], costs[1])])
            reached = ratio_text(spread)
            targets.append(Target.at_most(work, against, what, limit, f"at most {limit}x", reached, spread["median"]))
    return targets
