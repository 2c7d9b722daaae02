"""The documents that are measured on: made from their number alone, so every run and every machine has the same.

`bills`: a hospital's bills, about 1 kB, four levels deep, cut by 60 dates and 6 facilities. They are numbered in the
order they were written, and a bill's date is that of its writing or up to two days before.

`wide`: about 4 kB, some 270 columns in groups, cut by 60 dates that have nothing to do with the order of writing.

No field mixes kinds; `mixed.py` is about those.
"""

import datetime
import multiprocessing
import random

import bson
import pymongo
from bson import Int64, ObjectId
from bson.raw_bson import RawBSONDocument

DATABASE = "bench"
DATES = 60
FACILITIES = 6
EPOCH = datetime.datetime(2024, 3, 1)
DAY_MS = 86_400_000
EPOCH_MS = int(EPOCH.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)
CHUNK = 5_000
WORKERS = 2

CITIES = ["Pune", "Nagpur", "Nashik", "Solapur", "Thane", "Satara"]
CATEGORIES = ["consultation", "laboratory", "pharmacy", "procedure", "ward"]
DESCRIPTIONS = [
    "Consultation, general medicine",
    "Complete blood count with differential",
    "Paracetamol 500 mg, strip of 10",
    "Dressing of a minor wound",
    "General ward, one night",
    "X-ray of the chest, one view",
    "Amoxicillin 500 mg, strip of 6",
]
METHODS = ["cash", "card", "upi", "transfer"]
STATUSES = ["open", "paid", "claimed", "settled"]
VISITS = ["outpatient", "inpatient", "emergency", "day care"]


def when(ms):
    return EPOCH + datetime.timedelta(milliseconds=ms)


def object_id(number, share):
    """Ascending with `number`; its time is that of writing."""
    seconds = EPOCH_MS // 1000 + int(share * DATES * 86_400)
    return ObjectId(seconds.to_bytes(4, "big") + b"bench" + (number & 0xFFFFFF).to_bytes(3, "big"))


def bill(number, count):
    """One bill, and what the checks sum: units, paise, the time of change."""
    rng = random.Random(number)
    share = number / count
    written = int(share * DATES * DAY_MS)
    facility = rng.randrange(FACILITIES)
    billed = max(written - rng.randrange(2 * DAY_MS), 0)
    updated = written + rng.randrange(5 * DAY_MS)
    items, units, gross, tax = [], 0, 0, 0
    for line in range(rng.choice((1, 2, 2, 3, 3))):
        kind = rng.randrange(len(DESCRIPTIONS))
        quantity, unit = rng.randrange(1, 6), rng.randrange(1_000, 90_000)
        rate = (0, 5, 12, 18)[rng.randrange(4)]
        amount = quantity * unit
        taxed = amount * rate // 100
        units, gross, tax = units + quantity, gross + amount, tax + taxed
        items.append(
            {
                "line": line + 1,
                "code": f"SVC-{kind:02}-{unit % 997:03}",
                "description": DESCRIPTIONS[kind],
                "category": CATEGORIES[kind % 5],
                "quantity": quantity,
                "unit_price": unit / 100,
                "tax": {"rate": float(rate), "amount": taxed / 100},
                "amount": (amount + taxed) / 100,
            }
        )
    net = gross + tax
    person = rng.randrange(200_000)
    document = {
        "_id": object_id(number, share),
        "bill_no": f"B-{number:09}",
        "bill_date": when(billed),
        "updated_at": when(updated),
        "facility": {
            "id": f"FAC{facility + 1:03}",
            "name": f"{CITIES[facility]} General Hospital",
            "address": {
                "city": CITIES[facility],
                "pin": f"41{facility}0{facility + 1:02}",
                "geo": {"lat": 18.5 + facility / 8, "lon": 73.8 + facility / 16},
            },
        },
        "patient": {
            "id": f"P{person:07}",
            "name": f"Patient {person * 7919 % 99_991:05}",
            "age": person % 97,
            "contact": {"phone": f"+91 98{person * 31 % 100_000_000:08}", "email": f"p{person}@example.org"},
        },
        "visit": VISITS[rng.randrange(4)],
        "insured": person % 3 == 0,
        "status": STATUSES[rng.randrange(4)],
        "line_items": items,
        "payments": [
            {
                "at": when(updated),
                "method": METHODS[person % 4],
                "amount": net / 100,
                "reference": f"{rng.getrandbits(64):016x}",
            }
        ],
        "totals": {"gross": gross / 100, "tax": tax / 100, "net": net / 100, "currency": "INR"},
        "remarks": DESCRIPTIONS[rng.randrange(len(DESCRIPTIONS))],
    }
    return document, units, net, EPOCH_MS + updated


GROUPS = 14
WORDS = ["normal", "raised", "low", "not measured", "to be repeated", "within the limits for age", "see the note"]


def wide(number, count):
    """One wide document, and what the checks sum."""
    rng = random.Random(-number - 1)
    share = number / count
    updated = int(share * DATES * DAY_MS)
    day = rng.randrange(DATES)
    facility = rng.randrange(FACILITIES)
    first, cents = rng.randrange(10_000), rng.randrange(10_000_000)
    document = {
        "_id": object_id(number, share),
        "taken_at": when(day * DAY_MS + rng.randrange(DAY_MS)),
        "updated_at": when(updated),
        "facility": {"id": f"FAC{facility + 1:03}", "ward": f"W{rng.randrange(20):02}"},
        "first": first,
        "amount": cents / 100,
        "series": [rng.randrange(1_000) for _ in range(16)],
    }
    for group in range(GROUPS):
        bits = rng.getrandbits(60)
        document[f"group_{group:02}"] = {
            "count": bits & 0xFFF,
            "total": Int64(bits & 0xFFFFFFFF),
            "mean": (bits & 0xFFFFF) / 100,
            "low": (bits & 0x3FF) / 10,
            "high": (bits >> 10 & 0x3FFF) / 10,
            "ok": bits & 1 == 1,
            "finding": WORDS[bits % 7],
            "code": f"{bits & 0xFFFFFFFFFF:010x}",
            "by": f"doctor {bits % 311:03}",
            "at": when(updated - (bits & 0xFFFFFF)),
            "device": {
                "id": f"D{bits % 1009:04}",
                "serial": f"{bits >> 7 & 0xFFFFFFFFFF:012x}",
                "offset": (bits & 0xFF) / 64,
                "site": {"floor": bits % 9, "room": f"R{bits % 400:03}"},
            },
        }
    return document, first, cents, EPOCH_MS + updated


MAKERS = {"bills": bill, "wide": wide}
FULL_SIZE = {"bills": 1_000_000, "wide": 100_000}
PARTITION_BY = {"bills": "date=day(bill_date)/facility_id=facility.id", "wide": "date=day(taken_at)"}


class Totals:
    """What is true of a collection, and must be of every copy of it."""

    def __init__(self, rows=0, bytes=0, units=0, cents=0, latest=0):
        self.rows, self.bytes, self.units, self.cents, self.latest = rows, bytes, units, cents, latest

    def add(self, other):
        self.rows += other.rows
        self.bytes += other.bytes
        self.units += other.units
        self.cents += other.cents
        self.latest = max(self.latest, other.latest)

    def copy(self):
        return Totals(**vars(self))


def insert_chunk(job):
    uri, name, start, stop, count = job
    make, totals, encoded = MAKERS[name], Totals(), []
    for number in range(start, stop):
        document, units, cents, latest = make(number, count)
        raw = bson.encode(document)
        totals.add(Totals(1, len(raw), units, cents, latest))
        encoded.append(RawBSONDocument(raw))
    with pymongo.MongoClient(uri) as client:
        client[DATABASE][name].insert_many(encoded, ordered=False)
    return totals


def fill(mongod, name, scale):
    """Writes a collection with its index into the server; its totals."""
    count = max(int(FULL_SIZE[name] * scale), 400)
    jobs = [(mongod.uri, name, start, min(start + CHUNK, count), count) for start in range(0, count, CHUNK)]
    totals = Totals()
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        for part in pool.imap_unordered(insert_chunk, jobs):
            totals.add(part)
    mongod.client[DATABASE][name].create_index("updated_at")
    # What the server still has to write it writes before anybody is measured.
    mongod.client.admin.command("fsync")
    return totals
