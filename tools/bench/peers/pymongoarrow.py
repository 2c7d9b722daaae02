"""pymongoarrow to pyarrow: the whole collection as one Arrow table, written as one zstd file.

    python -m peers.pymongoarrow URI DATABASE COLLECTION OUT.parquet [lenient]

Its columns are told, which is its fastest way; it neither partitions nor sorts nor removes doubles, as lakefold does.
With `lenient` values that do not fit their column become NULL, instead of ending it all.
"""

import sys

import pyarrow.parquet
import pymongo
from bson import ObjectId
from pymongoarrow.api import Schema, find_arrow_all

import columns

ZSTD_LEVEL = 3


def main():
    uri, database, name, out, *lenient = sys.argv[1:]
    schema = Schema({"_id": ObjectId, **columns.COLUMNS[name]})
    table = find_arrow_all(pymongo.MongoClient(uri)[database][name], {}, schema=schema, allow_invalid=bool(lenient))
    pyarrow.parquet.write_table(table, out, compression="zstd", compression_level=ZSTD_LEVEL)


if __name__ == "__main__":
    main()
