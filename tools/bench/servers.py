"""A MongoDB and an S3 server on loopback, started and stopped here; both die with this process."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import botocore.config
import botocore.session
import pymongo

import installed

READY_SECONDS = 60
MONGO_CACHE_GB = 1
BUCKET = "bench"
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "benchbench", "AWS_REGION": "us-east-1"}

libc = ctypes.CDLL(None)


def die_with_parent():
    libc.prctl(1, signal.SIGKILL)


def free_ports(count):
    listening = [socket.socket() for _ in range(count)]
    for listener in listening:
        listener.bind(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in listening]
    for listener in listening:
        listener.close()
    return ports


class Server:
    """A process with a folder of its own."""

    def __init__(self, folder, command):
        self.folder = folder
        self.log = open(f"{folder}/log", "wb")
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
        )

    def await_ready(self, what, probe):
        started = time.monotonic()
        while True:
            try:
                return probe()
            except Exception as error:  # of whatever kind: it is not up yet
                if self.process.poll() is not None or time.monotonic() - started > READY_SECONDS:
                    raise SystemExit(f"{what} does not start, see {self.folder}/log: {error}") from error
            time.sleep(0.1)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def emptied(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


class Mongod(Server):
    """A replica set of one, so that reads are of the majority and stamped, as in production."""

    def __init__(self, folder):
        (port,) = free_ports(1)
        emptied(folder)
        super().__init__(
            folder,
            [installed.MONGOD, "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1"]
            + ["--replSet", "bench", "--oplogSize", "256", "--wiredTigerCacheSizeGB", str(MONGO_CACHE_GB)]
            + ["--setParameter", "diagnosticDataCollectionEnabled=false"],
        )
        direct = pymongo.MongoClient(f"mongodb://127.0.0.1:{port}/?directConnection=true", serverSelectionTimeoutMS=500)
        self.await_ready("mongod", lambda: direct.admin.command("ping"))
        member = {"_id": 0, "host": f"127.0.0.1:{port}"}
        direct.admin.command("replSetInitiate", {"_id": "bench", "members": [member]})
        self.uri = f"mongodb://127.0.0.1:{port}/?replicaSet=bench"
        self.client = pymongo.MongoClient(self.uri)
        self.client.admin.command("ping")


class S3(Server):
    """SeaweedFS, which checks signatures and conditions as AWS does."""

    def __init__(self, folder):
        emptied(folder)
        identity = {
            "name": "bench",
            "credentials": [{"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        with open(f"{folder}/s3.json", "w") as out:
            json.dump({"identities": [identity]}, out)
        flags = ["s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc"]
        flags += ["filer.port", "filer.port.grpc"]
        ports = free_ports(len(flags))
        super().__init__(
            folder,
            [installed.WEED, "-logtostderr", "server", "-dir=.", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
            + [f"-{flag}={port}" for flag, port in zip(flags, ports)]
            + ["-filer", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.config=s3.json"]
            + ["-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=50"],
        )
        self.port = ports[0]
        session = botocore.session.Session()
        client = session.create_client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=KEYS["AWS_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(
                retries={"max_attempts": 0}, connect_timeout=2, read_timeout=20, s3={"addressing_style": "path"}
            ),
        )

        def first_write():
            try:
                client.create_bucket(Bucket=BUCKET)
            except client.exceptions.ClientError as error:
                if "BucketAlready" not in str(error):
                    raise
            # The first write of a bucket waits for its volumes to grow; nobody measured should.
            client.put_object(Bucket=BUCKET, Key="warm-up", Body=b"x")

        self.await_ready("SeaweedFS", first_write)
