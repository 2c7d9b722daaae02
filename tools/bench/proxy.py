"""A proxy in front of an S3 server that counts requests and bytes and delays each request.

Bytes pass as they are, the `Host` header included, so signatures hold. Only the heads of requests are read, to know
where one ends and the next begins.
"""

import asyncio
import collections
import threading


class Proxy:
    """Counts from one `reset` to the next; the delay may be changed at any time."""

    def __init__(self, upstream_port):
        self.upstream_port = upstream_port
        self.delay = 0.0
        self.reset()
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._serve, args=(ready,), daemon=True).start()
        ready.wait()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def reset(self):
        self.requests = collections.Counter()
        self.bytes_read = collections.Counter()
        self.bytes_written = 0

    def counts(self):
        return {
            "requests": sum(self.requests.values()),
            "by_method": dict(self.requests),
            "bytes_read": sum(self.bytes_read.values()),
            "bytes_read_by_method": dict(self.bytes_read),
            "bytes_written": self.bytes_written,
        }

    def _serve(self, ready):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._client, "127.0.0.1", 0, limit=1 << 20))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    async def _client(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            writer.close()
            return
        # What is under way on this connection: there is one request at a time.
        asked = [""]
        answers = asyncio.ensure_future(self._answers(up_reader, writer, asked))
        try:
            await self._requests(reader, up_writer, asked)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            up_writer.close()
            await answers

    async def _requests(self, reader, upstream, asked):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ", 2)
            headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
            length = int(headers.get("content-length", 0))
            asked[0] = "LIST" if method == "GET" and "list-type" in target else method
            self.requests[asked[0]] += 1
            if self.delay:
                await asyncio.sleep(self.delay)
            upstream.write(head)
            while length:
                piece = await reader.read(min(length, 1 << 16))
                if not piece:
                    return
                length -= len(piece)
                self.bytes_written += len(piece)
                upstream.write(piece)
                await upstream.drain()
            await upstream.drain()

    async def _answers(self, upstream, writer, asked):
        try:
            while piece := await upstream.read(1 << 16):
                self.bytes_read[asked[0]] += len(piece)
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass  # the client has gone
        finally:
            writer.close()
