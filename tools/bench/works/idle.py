"""A run with nothing to do: 150 collections without a change, on a local lake and on a slow S3."""

import collections
import functools

import corpus
import measuring
import ours
import servers
from report import Table, Target, spread_text

TITLE = "Nothing new"
COLLECTIONS = 150
DOCUMENTS = 20
DELAY_SECONDS = 0.030
DATABASE = "idle"
PROFILE_BYTES = 64 << 20


def run(bench):
    database = bench.mongod.client[DATABASE]
    names = [f"c{number:03}" for number in range(COLLECTIONS)]
    for name in names:
        database[name].insert_many([corpus.bill(number, DOCUMENTS)[0] for number in range(DOCUMENTS)])
        database[name].create_index("updated_at")
    database.create_collection("system.profile", capped=True, size=PROFILE_BYTES)
    rows = [(DATABASE, name, "") for name in names]
    local = ours.Lake(bench.binary, bench.empty("idle"), bench.mongod.uri, rows)
    proxy = bench.s3
    remote = ours.Lake(
        bench.binary, bench.empty("idle-s3"), bench.mongod.uri, rows, url=f"s3://{servers.BUCKET}/idle", proxy=proxy
    )
    for lake in (local, remote):
        lake.run()
    local_name, remote_name = "local lake", f"S3, {DELAY_SECONDS * 1000:.0f} ms more per request"
    tools = {local_name: functools.partial(once, local, None, database)}
    tools[remote_name] = functools.partial(once, remote, proxy, database)
    proxy.delay = DELAY_SECONDS
    try:
        costs, failures = measuring.rounds(tools, bench.runs, bench.say)
    finally:
        proxy.delay = 0
    if failures:
        raise SystemExit(f"bench: {failures}")
    bench.keep("idle", {"costs": costs})
    database.client.drop_database(DATABASE)
    return told(costs, local_name, remote_name)


def once(lake, proxy, database):
    database.command("profile", 2, filter={"appName": "lakefold"})
    if proxy:
        proxy.reset()
    try:
        cost = lake.run(sync=False)
    finally:
        database.command("profile", 0)
    outcomes = collections.Counter(collection["outcome"] for collection in cost["record"]["collections"])
    wrong = "" if outcomes == {"idle": COLLECTIONS} else f"outcomes: {dict(outcomes)}"
    commands = collections.Counter(
        entry["command"] and next(iter(entry["command"])) for entry in database["system.profile"].find()
    )
    database.drop_collection("system.profile")
    database.create_collection("system.profile", capped=True, size=PROFILE_BYTES)
    cost.pop("record")
    return cost | {"commands": dict(commands), "store": proxy.counts() if proxy else None, "wrong": wrong}


def told(costs, local, remote):
    rows, targets = [], []
    for name, limit in ((local, 1.0), (remote, 3.0)):
        summary = measuring.summary(costs[name])
        last = costs[name][-1]
        asked = last["commands"]
        store = last["store"]
        wrong = next((cost["wrong"] for cost in costs[name] if cost["wrong"]), "")
        rows.append(
            [name, *(spread_text(summary[measure], digits) for measure, digits in zip(measuring.MEASURES, (2, 2, 0)))]
            + [
                counted(asked),
                counted(store["by_method"]) if store else "",
                "**wrong**: " + wrong if wrong else "right",
            ]
        )
        wall, work = summary["wall"], f"{COLLECTIONS} collections, nothing new, {name}"
        value = None if wrong else wall["median"]
        targets.append(
            Target.at_most(work, "-", "wall", limit, f"under {limit:.0f} s", spread_text(wall, 2, " s"), value)
        )
    finds, commands = asked.get("find", 0) / COLLECTIONS, sum(asked.values()) / COLLECTIONS
    work, reached = f"{COLLECTIONS} collections, nothing new", f"{finds:.2f} ({commands:.2f} commands of all kinds)"
    targets.append(Target.at_most(work, "-", "queries each", 1 + 10 / COLLECTIONS, "one", reached, finds))
    per = store["requests"] / COLLECTIONS
    targets.append(
        Target.at_most(work, "-", "store requests each", 1 + 10 / COLLECTIONS, "at most one", f"{per:.2f}", per)
    )
    header = ["lake", "wall s", "CPU s", "peak RSS MB", "commands at the server", "store requests", "outcomes"]
    notes = [
        f"{DOCUMENTS} documents in each collection. Commands are counted by the server's profiler, requests by a proxy "
        "before SeaweedFS, which holds back each request. Up to ten of either in a run are not a collection's "
        "(its own record, for one) and are allowed for.",
    ]
    return {"tables": [Table("A run over all of them", header, rows)], "targets": targets, "notes": notes}


def counted(counts):
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
