"""Spark as the job that lakefold replaces did it: read the whole lake, union, newest per `_id`, one task writes all.

    python -m peers.spark LAKE_TABLE CHANGES.parquet OUT     (without arguments: start and stop, nothing else)

Run by the Python of .tools/readers, which has PySpark and a Java.
"""

import sys

from pyspark.sql import SparkSession, Window, functions

ZSTD_LEVEL = 3


def main():
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .config("spark.hadoop.parquet.compression.codec.zstd.level", str(ZSTD_LEVEL))
        .getOrCreate()
    )
    spark.range(1).count()
    if len(sys.argv) > 1:
        table, changes, out = sys.argv[1:]
        newest = Window.partitionBy("_id").orderBy(functions.col("_modified_ms").desc())
        (
            spark.read.parquet(table)
            .unionByName(spark.read.parquet(changes))
            .withColumn("place", functions.row_number().over(newest))
            .where("place = 1")
            .drop("place")
            .coalesce(1)
            .write.partitionBy("date", "facility_id")
            .parquet(out)
        )
    spark.stop()


if __name__ == "__main__":
    main()
