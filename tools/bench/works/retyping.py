"""What one document costs that changes the type of a column: every file that holds the old type is rewritten."""

import datetime

import ours
from report import Table, amount

TITLE = "A type change"
PARTITIONS = 200
FULL_ROWS = 2_000
DATABASE = "retyping"
START = datetime.datetime(2024, 1, 1)


def document(number):
    text = f"{number * 0x9E3779B97F4A7C15 % (1 << 64):016x}"
    return {
        "_id": number,
        "site": f"S{number % PARTITIONS:03}",
        "amount": number,
        "note": text * 4,
        "lines": [{"drug": "A", "n": number % 7}],
        "updated_at": START,
    }


def run(bench):
    rows = max(20, round(FULL_ROWS * bench.scale)) * PARTITIONS
    collection = bench.mongod.client[DATABASE]["bills"]
    for start in range(0, rows, 10_000):
        collection.insert_many(map(document, range(start, min(start + 10_000, rows))))
    collection.create_index("updated_at")
    lake = ours.Lake(bench.binary, bench.empty("retyping"), bench.mongod.uri, [(DATABASE, "bills", "site=site")])
    costs = {"first load": lake.run()}
    odd = {"_id": -1, "site": "new", "amount": "free", "updated_at": datetime.datetime.now(datetime.timezone.utc)}
    collection.insert_one(odd)
    costs["one document more, whose `amount` is a text"] = last = lake.run()
    bench.mongod.client.drop_database(DATABASE)
    retyped = last["record"]["collections"][0]["files"]["retyped"]
    if retyped != PARTITIONS:
        raise SystemExit(f"bench: {retyped} files were retyped, should be {PARTITIONS}")
    bench.keep("retyping", costs)
    lines = [
        [what, f"{cost['wall']:.2f}", f"{cost['cpu']:.2f}", f"{cost['rss_mb']:.0f}"]
        + [
            f"{collection['files']['written']:,}",
            f"{collection['files']['retyped']:,}",
            amount(collection["bytes"]["written"]),
        ]
        for what, cost in costs.items()
        for collection in cost["record"]["collections"]
    ]
    header = ["run", "wall s", "CPU s", "peak RSS MB", "files written", "of them retyped", "written"]
    return {
        "tables": [Table(f"{rows:,} rows in {PARTITIONS} partitions", header, lines)],
        "targets": [],
        "notes": ["Once, not in rounds."],
    }
