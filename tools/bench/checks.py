"""Whether a tool's output holds the corpus: rows, ids, two sums and the latest change, read back by DuckDB."""

import os

import duckdb

# Where a tool keeps the values, by collection: units, amount.
NESTED = {
    "bills": ("list_sum(list_transform(line_items, item -> item.quantity))", "totals.net"),
    "wide": ("first", "amount"),
}


def files_below(folder):
    """Parquet files and their bytes."""
    found = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith(".parquet")]
    return found, sum(map(os.path.getsize, found))


def wrong(folder, name, totals):
    """What is wrong with nested rows below `folder`, or an empty text."""
    units, amount = NESTED[name]
    return compare(
        totals,
        f"""SELECT count(*), count(DISTINCT _id), sum({units}), round(sum({amount}) * 100),
                   epoch_ms(max(updated_at)::TIMESTAMP)
            FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = false)""",
    )


def wrong_flattened(folder, name, totals):
    """The same for dlt's tables, which keep lists in tables of their own."""
    rows = f"read_parquet('{folder}/{name}/*.parquet')"
    amount = {"bills": "totals__net", "wide": "amount"}[name]
    units = {"bills": f"(SELECT sum(quantity) FROM read_parquet('{folder}/bills__line_items/*.parquet'))"}
    return compare(
        totals,
        f"""SELECT count(*), count(DISTINCT _id), {units.get(name, "sum(first)")}, round(sum({amount}) * 100),
                   epoch_ms(max(updated_at)::TIMESTAMP)
            FROM {rows}""",
    )


def compare(totals, query):
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute(query).fetchone()
    except duckdb.Error as error:
        return f"cannot be read: {str(error).splitlines()[0]}"
    wanted = (totals.rows, totals.rows, totals.units, totals.cents, totals.latest)
    names = ("rows", "distinct _id", "units", "amount", "latest change")
    differ = [
        f"{what} {have}, should be {want}"
        for what, have, want in zip(names, found, wanted)
        # Sums of doubles depend on their order in the last digits.
        if have is None or abs(have - want) > (abs(want) * 1e-9 if what == "amount" else 0)
    ]
    return "; ".join(differ)
