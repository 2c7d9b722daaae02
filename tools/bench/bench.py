"""One run of the bench: the servers, the corpus, the works that were chosen, the page."""

import hashlib
import importlib
import json
import os
import shutil
import sys
import time

import corpus
import installed
import machine
import ours
import proxy
import report
import servers

WORKS = {
    "full": "full_load",
    "incremental": "incremental",
    "idle": "idle",
    "growth": "growth",
    "output": "output",
    "mixed": "mixed",
    "memory": "memory",
    "retyping": "retyping",
}

# Of the page that is published.
LEAST_SCALE = 0.1


class Bench:
    """What the works share: servers and collections are made when first asked for."""

    def __init__(self, binary, drain, scale, runs):
        self.binary, self.drain, self.scale, self.runs = binary, drain, scale, runs
        self.programs = os.path.dirname(os.path.abspath(__file__))
        self.work = os.path.join(installed.ROOT, "target", "bench")
        os.makedirs(self.work, exist_ok=True)
        self._mongod = self._s3 = None
        self._collections = {}
        self._lakes = 0

    def say(self, text):
        print(f"bench: {text}", file=sys.stderr, flush=True)

    @property
    def mongod(self):
        if not self._mongod:
            self._mongod = servers.Mongod(f"{self.work}/mongod")
        return self._mongod

    @property
    def s3(self):
        """A proxy before a SeaweedFS."""
        if not self._s3:
            self._server = servers.S3(f"{self.work}/s3")
            self._s3 = proxy.Proxy(self._server.port)
        return self._s3

    def collection(self, name):
        """Totals of a collection of the corpus, written into the server when first asked for."""
        if name not in self._collections:
            started = time.monotonic()
            self._collections[name] = corpus.fill(self.mongod, name, self.scale)
            self.say(f"{name}: written in {time.monotonic() - started:.0f} s")
        return self._collections[name]

    def empty(self, name):
        return servers.emptied(f"{self.work}/{name}")

    def fresh_lake(self, folder, *names):
        rows = [(corpus.DATABASE, name, corpus.PARTITION_BY[name]) for name in names]
        # In a folder of its own each time: ext4 takes long to make files where many were just deleted.
        self._lakes += 1
        return ours.Lake(self.binary, self.empty(f"{folder}-{self._lakes}"), self.mongod.uri, rows)

    def keep(self, name, figures):
        with open(f"{self.work}/{name}.json", "w") as out:
            json.dump(figures, out, indent=1, default=str)

    def stop(self):
        if self._mongod:
            self._mongod.client.close()
            self._mongod.stop()
        if self._s3:
            self._server.stop()
        for name in os.listdir(self.work):
            if os.path.isdir(f"{self.work}/{name}"):
                shutil.rmtree(f"{self.work}/{name}")


def run(binary, drain, scale, runs, only):
    unknown = [name for name in only if name not in WORKS]
    if unknown:
        sys.exit(f"bench: ONLY={','.join(unknown)}: there are {', '.join(WORKS)}")
    for program in (binary, drain):
        if not os.access(program, os.X_OK):
            sys.exit(f"bench: there is no program {program}")
    started = time.monotonic()
    bench = Bench(binary, drain, scale, runs)
    # Figures stand on one page only when they are of one binary and one size.
    setting = {"scale": scale, "runs": runs, "binary": digest(binary)}
    try:
        for name in only or WORKS:
            work = importlib.import_module(f"works.{WORKS[name]}")
            bench.say(f"{name}: {work.TITLE}")
            began = time.monotonic()
            result = report.plain(work.TITLE, work.run(bench))
            bench.keep(f"result-{name}", {**setting, "minutes": (time.monotonic() - began) / 60, **result})
    finally:
        bench.stop()
    results = kept_results(bench, setting)
    minutes = sum(result["minutes"] for result in results.values())
    about = [
        f"`SCALE={scale:g}` of the full size (1,000,000 bills of about 1 kB, 100,000 wide documents of about 4 kB), "
        f"`RUNS={runs}`; took {minutes:.0f} minutes",
        f"MongoDB with {servers.MONGO_CACHE_GB} GB of cache, a replica set of one; local lakes on the same disk",
    ]
    with open(os.path.join(bench.programs, "profile.md")) as profile:
        text = report.page([*machine.lines(binary), *about], list(results.values()), profile.read())
    # The page of a part, or of a few documents, is for looking at.
    published = len(results) == len(WORKS) and scale >= LEAST_SCALE
    path = os.path.join(installed.ROOT if published else bench.work, "BENCH.md")
    with open(path, "w") as out:
        out.write(text)
    print(report.targets_table(list(results.values())).text())
    bench.say(f"{path} is written; this took {(time.monotonic() - started) / 60:.1f} minutes")


def kept_results(bench, setting):
    """What this run measured, and what earlier ones did of the same binary at the same size, in the order of WORKS."""
    results = {}
    for name in WORKS:
        path = f"{bench.work}/result-{name}.json"
        if os.path.exists(path):
            with open(path) as kept:
                result = json.load(kept)
            if all(result[key] == value for key, value in setting.items()):
                results[name] = result
    return results


def digest(binary):
    with open(binary, "rb") as program:
        return hashlib.file_digest(program, "sha256").hexdigest()
