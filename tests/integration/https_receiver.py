#!/usr/bin/python3
"""A factory's system that takes nobody without a certificate of its authority:
https_receiver.py CA.pem SERVER.pem SERVER.key FOLDER, prints its port. Keeps each record once, by
Idempotency-Key, with the client's name behind; keeps attachments by name, and answers 412 to one it
has; FOLDER/puts counts them. "May this unit run here?" (GET) is answered by what FOLDER/may says, or
not at all where it says "silence"; FOLDER/asked has each question, and who asked."""
import http.server
import os
import ssl
import sys
import time

folder = sys.argv[4]


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def client_name(self):
        return dict(field[0] for field in self.connection.getpeercert()["subject"])["commonName"]

    def body(self):
        return self.rfile.read(int(self.headers["Content-Length"]))

    def do_POST(self):
        body, name = self.body(), os.path.join(folder, self.headers["Idempotency-Key"])
        if os.path.exists(name):
            return self.answer(409)
        with open(name, "wb") as f:
            f.write(body)
        with open(os.path.join(folder, "clients"), "a") as f:
            f.write(self.client_name() + "\n")
        self.answer(201)

    def do_PUT(self):
        body, name = self.body(), os.path.join(folder, "content-" + os.path.basename(self.path))
        with open(os.path.join(folder, "puts"), "a") as f:
            f.write(self.path + " " + self.headers["If-None-Match"] + "\n")
        if os.path.exists(name):
            return self.answer(412)
        with open(name, "wb") as f:
            f.write(body)
        self.answer(201)

    def do_GET(self):
        with open(os.path.join(folder, "asked"), "a") as f:
            f.write(self.path + " " + self.client_name() + "\n")
        with open(os.path.join(folder, "may")) as f:
            body = f.read().encode()
        if body.startswith(b"silence"):
            time.sleep(60)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a handshake that was refused


server = Server(("127.0.0.1", 0), Receiver)
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=sys.argv[1])
tls.verify_mode = ssl.CERT_REQUIRED
tls.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_port, flush=True)
server.serve_forever()
