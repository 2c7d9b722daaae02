"""The size of lakefold's files against the same rows written by pyarrow and DuckDB at the same level."""

import os

import duckdb
import pyarrow.parquet

import checks
import corpus
from report import Table, Target, amount

TITLE = "Output"
ZSTD_LEVEL = 3


def run(bench):
    rows, targets = [], []
    for name in corpus.MAKERS:
        bench.collection(name)
        lake = bench.fresh_lake("output", name)
        lake.run()
        files, ours = checks.files_below(lake.table(name))
        folder = bench.empty("rewritten")
        again = sum(rewritten(file, f"{folder}/{number}.parquet") for number, file in enumerate(files))
        state = sum(
            os.path.getsize(os.path.join(at, file))
            for at, _, found in os.walk(f"{lake.folder}/lake/_lakefold")
            for file in found
        )
        copied = by_duckdb(files, folder)
        bench.keep(f"output-{name}", {"lakefold": ours, "pyarrow": again, "duckdb": copied, "state": state})
        rows.append([f"`{name}`", f"{len(files):,}", amount(ours), amount(again), amount(copied), amount(state)])
        ratio = ours / again
        targets.append(
            Target.at_most(f"output of `{name}`", "pyarrow", "bytes", 1.05, "at most 1.05x", f"{ratio:.3f}x", ratio)
        )
    header = ["collection", "files", "lakefold", "pyarrow", "DuckDB", "lakefold's own state beside them"]
    notes = [
        "Each file of the lake was read and written again with the same rows in the same order by pyarrow and DuckDB, "
        f"zstd level {ZSTD_LEVEL} and their defaults otherwise. lakefold's files also hold page indexes and a bloom "
        "filter on `_id`. What is uploaded per byte changed stands under Incremental.",
    ]
    return {"tables": [Table("Bytes of the same rows", header, rows)], "targets": targets, "notes": notes}


def rewritten(file, out):
    table = pyarrow.parquet.ParquetFile(file).read()
    pyarrow.parquet.write_table(table, out, compression="zstd", compression_level=ZSTD_LEVEL)
    return os.path.getsize(out)


def by_duckdb(files, folder):
    size = 0
    with duckdb.connect() as connection:
        for number, file in enumerate(files):
            out = f"{folder}/duckdb-{number}.parquet"
            connection.execute(
                f"COPY (FROM read_parquet('{file}', hive_partitioning = false)) TO '{out}' "
                f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {ZSTD_LEVEL})"
            )
            size += os.path.getsize(out)
    return size
