"""One per cent of the bills changed at the source, and changed back."""

import datetime

import pymongo

import corpus

TEN = 10


def partition(document):
    return document["bill_date"].date().isoformat(), document["facility"]["id"]


def chosen(collection, share, partitions=None):
    """Ids of `share` of the bills, evenly over all partitions or over the first `partitions` of a shuffled list."""
    by_partition = {}
    count = 0
    for document in collection.find({}, {"bill_date": 1, "facility.id": 1}).sort("_id", 1):
        by_partition.setdefault(partition(document), []).append(document["_id"])
        count += 1
    names = sorted(by_partition)
    if partitions:
        # Not neighbours: every 36th or so of the sorted names.
        names = names[:: max(len(names) // partitions, 1)][:partitions]
    wanted = max(round(count * share), len(names))
    ids = []
    for place, name in enumerate(names):
        of_this = by_partition[name]
        take = min(wanted * (place + 1) // len(names) - wanted * place // len(names), len(of_this))
        # Evenly over the partition, so that no part of the file is spared.
        ids += [of_this[number * len(of_this) // take] for number in range(take)]
    return ids, len(names)


class Change:
    """Changes the bills with `ids`; `undo` puts the originals back, with the times they had."""

    def __init__(self, collection, ids, totals):
        self.collection = collection
        self.originals = []
        for start in range(0, len(ids), 10_000):
            self.originals += collection.find({"_id": {"$in": ids[start : start + 10_000]}})
        # To the millisecond, as BSON keeps it.
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        update = {
            "$set": {"status": "corrected", "updated_at": now},
            "$inc": {"line_items.0.quantity": 1, "totals.net": 1.0},
        }
        self.write([pymongo.UpdateOne({"_id": document["_id"]}, update) for document in self.originals])
        self.totals = totals.copy()
        self.totals.units += len(ids)
        self.totals.cents += 100 * len(ids)
        self.totals.latest = int(now.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000 + 0.5)
        self.bytes = sum(len(self.encoded(document)) for document in self.originals)

    @staticmethod
    def encoded(document):
        return corpus.bson.encode(document)

    def write(self, operations):
        if operations:
            self.collection.bulk_write(operations, ordered=False)
        self.collection.database.client.admin.command("fsync")

    def undo(self):
        self.write([pymongo.ReplaceOne({"_id": document["_id"]}, document) for document in self.originals])
