"""How lakefold is run here: one environment and manifest per lake, the memory of a small container."""

import json
import os

import measuring
import servers

MEMORY = "256MiB"


class Lake:
    """A lake, the environment that writes it, and the collections it is of.

    `collections`: rows of the manifest as (database, collection, partition_by).
    """

    def __init__(self, binary, folder, uri, collections, *, url=None, proxy=None):
        self.binary, self.folder, self.proxy = binary, folder, proxy
        os.makedirs(folder, exist_ok=True)
        self.url = url or f"file:{folder}/lake"
        with open(f"{folder}/collections.csv", "w") as manifest:
            manifest.write("database,collection,timestamp_column,partition_by\n")
            for database, collection, partition_by in collections:
                manifest.write(f"{database},{collection},updated_at,{partition_by}\n")
        with open(f"{folder}/bench.toml", "w") as environment:
            environment.write(
                f'manifest = "{folder}/collections.csv"\n[source]\nuri = "{uri}"\n'
                f'[lake]\nurl = "{self.url}"\n[run]\nmemory = "{MEMORY}"\n'
            )

    def table(self, name, database="bench"):
        return f"{self.folder}/lake/{database}/{name}"

    def run(self, *flags, sync=True):
        """One run; its cost, with the run record in `record`. A collection that did not land is a failure."""
        environment = {"LAKEFOLD_ENV": ""}
        if self.proxy:
            environment |= {**servers.KEYS, "AWS_ENDPOINT_URL": self.proxy.endpoint}
        cost = measuring.run(
            [self.binary, "run", "--env", f"{self.folder}/bench.toml", "--json", "--quiet", *flags],
            environment=environment,
            folder=self.folder,
            sync=self.folder if sync and not self.proxy else "",
        )
        cost["record"] = json.loads(cost.pop("stdout"))
        return cost
