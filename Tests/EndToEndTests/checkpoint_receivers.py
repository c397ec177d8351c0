#!/usr/bin/env python3
"""A witness (C2SP tlog-witness) and a web-hook's receiver, written from the specifications, for the tests of published checkpoints.

    checkpoint_receivers.py PORT LOG_KEY SECRET      prints the witness's key, then serves

POST /witness/add-checkpoint · POST /hook · GET /seen (what the hook got) · POST /break and /mend (the hook answers 500 meanwhile)
"""
import base64, hashlib, hmac, http.server, json, pathlib, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "AuditLogTests"))
import verify_export as log
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PORT, LOG_KEY, SECRET = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()
NAME = "witness.example/w1"
key = Ed25519PrivateKey.generate()
public = b"\x04" + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
key_id = hashlib.sha256(NAME.encode() + b"\n" + public).digest()[:4]
known, seen, broken = (0, None), [], False

def cosign(body):
    """The status, and what is said."""
    global known
    head, _, note = body.partition("\n\n")
    first, *lines = head.split("\n")
    size, root = log.open_note(note, dict([log.parse_key(LOG_KEY)]))
    old = int(first.removeprefix("old "))
    if old > size:
        return 400, ""
    if old != known[0] or (old == size and root != known[1]):
        return 409, f"{known[0]}\n"
    if old:
        path = [log.unbase64(line).hex() for line in lines]
        if not log.proves({"first": old, "second": size, "firstRoot": known[1].hex(), "root": root.hex(), "path": path}):
            return 422, ""
    known = (size, root)
    now = int(time.time())
    text = note.rpartition("\n\n")[0] + "\n"
    signature = now.to_bytes(8, "big") + key.sign(f"cosignature/v1\ntime {now}\n{text}".encode())
    return 200, f"\u2014 {NAME} {base64.b64encode(key_id + signature).decode()}\n"

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text=""):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer(200, json.dumps(seen))

    def do_POST(self):
        global broken
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/witness/add-checkpoint":
            try:
                return self.answer(*cosign(body.decode()))
            except Exception as error:
                return self.answer(403, str(error))
        if self.path in ("/break", "/mend"):
            broken = self.path == "/break"
            return self.answer(200)
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        mac = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        if broken or mac not in self.headers["webhook-signature"].split(" "):
            return self.answer(500)
        seen.append(json.loads(body))
        self.answer(204)

    def log_message(self, *arguments): pass

print(f"{NAME}+{key_id.hex()}+{base64.b64encode(public).decode()}", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
