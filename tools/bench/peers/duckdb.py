"""DuckDB merging a change into a lake: touched files read, the newest row per `_id`, one partitioned COPY.

    python -m peers.duckdb LAKE_TABLE CHANGES.parquet WORK

It is favoured: the change is given to it as a Parquet file with the lake's own columns, where lakefold reads it from
MongoDB and finds the columns itself. The new files are written aside and renamed over the old, or a reader would see
both.
"""

import os
import sys

import duckdb

ZSTD_LEVEL = 3


def main():
    table, changes, work = sys.argv[1:]
    connection = duckdb.connect()
    # Both are what its manual advises: no order to keep, and no file of a partition closed half-way for another.
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET partitioned_write_max_open_files = 10000")
    connection.execute(f"CREATE VIEW changes AS FROM read_parquet('{changes}', hive_partitioning = false)")
    touched = connection.execute("SELECT DISTINCT date, facility_id FROM changes").fetchall()
    files = [f"{table}/date={date}/facility_id={facility}/data.parquet" for date, facility in touched]
    stored = [file for file in files if os.path.exists(file)]
    connection.execute(
        f"""COPY (
                FROM (
                    FROM read_parquet({stored!r}, hive_partitioning = true, hive_types_autocast = false)
                    UNION ALL BY NAME
                    FROM changes
                )
                QUALIFY row_number() OVER (PARTITION BY _id ORDER BY _modified_ms DESC) = 1
            ) TO '{work}' (
                FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {ZSTD_LEVEL},
                PARTITION_BY (date, facility_id), OVERWRITE_OR_IGNORE
            )"""
    )
    for date, facility in touched:
        partition = f"date={date}/facility_id={facility}"
        (written,) = os.listdir(f"{work}/{partition}")
        os.makedirs(f"{table}/{partition}", exist_ok=True)
        os.replace(f"{work}/{partition}/{written}", f"{table}/{partition}/data.parquet")


if __name__ == "__main__":
    main()
