"""pymongo to polars: the documents as a list of dicts, a frame of them, one zstd file.

    python -m peers.polars URI DATABASE COLLECTION OUT.parquet [lenient]

polars knows no ObjectId, so ids become text on the way. With `lenient` values that do not fit their column are
converted or dropped, instead of ending it all.
"""

import sys

import polars
import pymongo

ZSTD_LEVEL = 3


def main():
    uri, database, name, out, *lenient = sys.argv[1:]
    documents = []
    for document in pymongo.MongoClient(uri)[database][name].find():
        document["_id"] = str(document["_id"])
        documents.append(document)
    frame = polars.DataFrame(documents, strict=not lenient)
    frame.write_parquet(out, compression="zstd", compression_level=ZSTD_LEVEL)


if __name__ == "__main__":
    main()
