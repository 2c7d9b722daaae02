"""What is measured against, at pinned versions, in the git-ignored .tools/bench (about 600 MB)."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, ".tools", "bench")
PYTHON = os.path.join(VENV, "bin", "python")
# Spark comes with the readers of the tests, and with a Java.
READERS = os.path.join(ROOT, ".tools", "readers")
MONGOD = os.path.join(ROOT, ".tools", "mongod")
WEED = os.path.join(ROOT, ".tools", "servers", "bin", "weed")

# pymongoarrow is built against one pyarrow.
PEERS = [
    "pymongoarrow==1.15.0",
    "pyarrow==25.0.0",
    "pymongo==4.20.0",
    "polars==2.1.0",
    "dlt[filesystem,parquet]==1.31.0",
    "duckdb==1.5.6",
    "pytz==2025.2",
]


def install():
    """Installs what is missing; returns at once when all of it is there."""
    subprocess.run([os.path.join(ROOT, "tools", "install-test-servers")], check=True)
    stamp, wanted = os.path.join(VENV, ".installed"), " ".join(PEERS)
    if os.path.exists(stamp):
        with open(stamp) as found:
            if found.read() == wanted:
                return
    print(f"bench: installing {wanted}", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS], check=True)
    with open(stamp, "w") as out:
        out.write(wanted)


def continue_there():
    """Goes on in the environment with the peers, as the same program."""
    if os.path.realpath(sys.prefix) != os.path.realpath(VENV):
        os.execv(PYTHON, [PYTHON, *sys.argv])
