"""What was measured on, and with which versions."""

import importlib.metadata
import os
import platform
import subprocess

import installed


def lines(binary):
    with open("/proc/cpuinfo") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    cores = len(os.sched_getaffinity(0))
    return [
        f"machine: {cores} cores of {names[0] if names else platform.machine()}, {memory:.0f} GiB, "
        f"Linux {platform.release()}",
        f"lakefold: {output([binary, '--version'])}, {commit()}",
        f"versions: {', '.join(versions())}",
    ]


def versions():
    packages = ["pymongoarrow", "pyarrow", "pymongo", "polars", "dlt", "duckdb"]
    found = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    reader = os.path.join(installed.READERS, "bin", "python")
    found.append("pyspark " + output([reader, "-c", "import pyspark; print(pyspark.__version__)"]))
    found.append("MongoDB " + output([installed.MONGOD, "--version"]).split()[2].lstrip("v"))
    found.append("SeaweedFS " + output([installed.WEED, "version"]).split()[2])
    found.append("Python " + platform.python_version())
    return found


def commit():
    """The tree's commit, with a word when it is not all of it."""
    at = output(["git", "-C", installed.ROOT, "rev-parse", "--short", "HEAD"])
    changed = output(["git", "-C", installed.ROOT, "status", "--porcelain", "--", "src", "Cargo.toml", "Cargo.lock"])
    return f"commit {at}" + (" with changes" if changed else "")


def output(command):
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return (ended.stdout or ended.stderr).strip()
