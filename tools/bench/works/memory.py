"""Peak memory of a collection far larger than --memory, by tools/bench-memory."""

import os

import installed
import measuring
from report import Table, Target

TITLE = "Memory"
FULL_MB = 2048
LEAST_MB = 64


def run(bench):
    megabytes = max(LEAST_MB, round(FULL_MB * bench.scale))
    program = os.path.join(installed.ROOT, "tools", "bench-memory")
    try:
        said = measuring.run([installed.PYTHON, program, bench.binary, megabytes])["stdout"]
        reached, met = "both folds below it", True
    except measuring.Failed as failure:
        said, reached, met = str(failure), str(failure), False
    rows = [line.split(": ", 1) for line in said.strip().splitlines() if ": " in line]
    target = Target(f"{megabytes} MiB in one file", "the promise", "RSS", "--memory and 128 MiB", reached, met)
    notes = [
        f"A dump of one unpartitioned collection, {FULL_MB} MiB at full size; in the second fold every row passes the "
        "merge and one in a hundred changes."
    ]
    return {
        "tables": [Table("Folded with --memory 256MiB", ["fold", "what it took"], rows)],
        "targets": [target],
        "notes": notes,
    }
