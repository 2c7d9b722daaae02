"""A mail server and a web server on free ports of 127.0.0.1, which write down what they get.

    receivers.py FOLDER [--login USER:PASSWORD] [--certificate FILE --key FILE]

Prints `HTTP SMTP STARTTLS TLS`, four ports, when all listen, and ends when its standard input does.

Each mail becomes FOLDER/mail-N.json, each request FOLDER/post-N.json. Addresses in FOLDER/full (`ADDRESS CODE` a line)
have no room. `/status/N` answers N, `/hang` never answers, and what is put below `/metrics/job/` must be Prometheus' text
format, as a Pushgateway insists.
"""

import argparse
import asyncio
import email
import email.policy
import itertools
import json
import os
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.smtp import SMTP, AuthResult
from prometheus_client.parser import text_string_to_metric_families

arguments = argparse.ArgumentParser()
arguments.add_argument("folder")
arguments.add_argument("--login")
arguments.add_argument("--certificate")
arguments.add_argument("--key")
options = arguments.parse_args()
counter = itertools.count(1)


def keep(kind, value):
    number = next(counter)
    path = os.path.join(options.folder, f"{kind}-{number:04}.json")
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.rename(path + ".part", path)


def room_reply(address):
    try:
        with open(os.path.join(options.folder, "full"), encoding="utf-8") as file:
            full = dict(line.split() for line in file)
    except FileNotFoundError:
        full = {}
    code = full.get(address)
    if code == "552":
        return "552 5.2.2 Mailbox full"
    if code == "452":
        return "452 4.2.2 Mailbox full"
    return f"{code} refused" if code else None


class Mailbox:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        reply = room_reply(address)
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        keep("mail", {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "secure": session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
            "user": session.auth_data.decode() if session.authenticated else None,
            "content": envelope.content.decode("ascii"),
            "subject": message["subject"],
            "text": message.get_body(("plain",)).get_content(),
            "html": message.get_body(("html",)).get_content(),
        })
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    login = f"{data.login.decode()}:{data.password.decode()}"
    return AuthResult(success=login == options.login, handled=False, auth_data=data.login)


class Web(BaseHTTPRequestHandler):
    def receive(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8")
        keep("post", {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body})
        if self.path == "/hang":
            threading.Event().wait()
        status, answer = 200, "ok"
        if self.path.startswith("/status/"):
            status, answer = int(self.path.rsplit("/", 1)[1]), f"no_service {self.path} http://u:p@h/"
        elif self.path.startswith("/metrics/job/"):
            try:
                list(text_string_to_metric_families(body))
            except ValueError as error:
                status, answer = 400, f"text format parsing error: {error}"
        elif self.path.startswith("/bot"):
            known = json.loads(body).get("chat_id") == "-100"
            status = 200 if known else 400
            answer = json.dumps({"ok": known, "description": None if known else "Bad Request: chat not found"})
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    do_POST = do_PUT = receive

    def log_message(self, *_):
        pass


async def main():
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    login = {}
    if options.login:
        login = {"auth_required": True, "auth_require_tls": False, "authenticator": authenticate}

    async def smtp(**more):
        loop = asyncio.get_running_loop()
        secure = more.pop("ssl", None)
        server = await loop.create_server(lambda: SMTP(Mailbox(), **login, **more), "127.0.0.1", 0, ssl=secure)
        return server, server.sockets[0].getsockname()[1]

    servers = [await smtp()]
    if context:
        servers.append(await smtp(tls_context=context, require_starttls=True))
        servers.append(await smtp(ssl=context))
    web = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    web.daemon_threads = True
    threading.Thread(target=web.serve_forever, daemon=True).start()
    ports = [web.server_port] + [port for _, port in servers]
    print(*(ports + [0] * (4 - len(ports))), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main())
