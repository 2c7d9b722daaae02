"""dlt: MongoDB into Parquet files of its filesystem destination, with its usual settings.

    python -m peers.dlt URI DATABASE COLLECTION OUT_FOLDER

The resource is what dlt's verified MongoDB source does for documents: pages of 10,000 from a cursor, ids to text. dlt
makes a table of each list and flattens documents, so its output is several tables.
"""

import os
import sys

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ.setdefault("RUNTIME__LOG_LEVEL", "ERROR")

import dlt
import pymongo
from bson import ObjectId
from dlt.common.utils import map_nested_in_place

PAGE = 10_000


def plain(value):
    return str(value) if isinstance(value, ObjectId) else value


def main():
    uri, database, name, out = sys.argv[1:]

    @dlt.resource(name=name, write_disposition="replace", primary_key="_id")
    def documents():
        page = []
        for document in pymongo.MongoClient(uri, tz_aware=True)[database][name].find():
            page.append(map_nested_in_place(plain, document))
            if len(page) == PAGE:
                yield page
                page = []
        if page:
            yield page

    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=f"{out}/working",
        destination=dlt.destinations.filesystem(bucket_url=f"file://{out}/files"),
        dataset_name="lake",
    )
    pipeline.run(documents(), loader_file_format="parquet").raise_on_failed_jobs()


if __name__ == "__main__":
    main()
