#!/usr/bin/env python3
"""Checks an exported audit log, or proofs, independently of the service: a second implementation from the specifications.

    verify_export.py [--key NAME+HASH+BASE64]... [--checkpoint PUBLISHED]... EXPORT.ndjson
    verify_export.py [--key NAME+HASH+BASE64]... --proof ENTRY.tlog-proof
    verify_export.py --proofs PROOFS.ndjson         inclusion and consistency, as the API answers them

RFC 8785 (canonical JSON), RFC 9162 section 2.1 (Merkle tree), C2SP signed-note, tlog-checkpoint, tlog-proof. Prints one line.
Exit code: 0 intact, 1 broken, 2 not an export, 3 intact but no signature was checked (no key, no checkpoint, or no `cryptography`).
"""
import base64, bisect, hashlib, json, re, sys, uuid

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    Ed25519PublicKey = None

TEXTS = "action actor actorAuth digest environment fromEnvironment id image outcome policyVersion promotionId reason requestId".split()
REQUIRED = "action actor actorAuth id outcome schema timeMicros".split()
dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
LEAF = re.compile(rb'\{"index":(0|[1-9][0-9]*),"id":"([0-9a-f-]{36})","leafHash":"([0-9a-f]{64})","entry":(.*)\}', re.S)

class Broken(Exception): """A finding: its kind, and the index or size it is about."""

def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()

def whole_number(text):
    if not re.fullmatch("-?[0-9]{1,16}", text) or abs(int(text)) >= 2**53: raise ValueError("no integer that all readers keep")
    return int(text)

def ordered(value, depth=0):
    """The value with its keys in UTF-16 order; also checks depth and characters."""
    if depth > 16 or (isinstance(value, str) and "\0" in value): raise ValueError("too deep, or NUL")
    if isinstance(value, list): return [ordered(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {ordered(key): ordered(value[key], depth + 1) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    return value

def check_entry(data, identity):
    entry = json.loads(data, parse_int=whole_number, parse_float=whole_number, parse_constant=whole_number)
    if len(data) > 65536 or not isinstance(entry, dict) or dumps(ordered(entry)).encode() != data: raise ValueError("not canonical")
    known = set(TEXTS) | {"schema", "timeMicros", "tags", "before", "after", "details"}
    if set(entry) - known or not set(REQUIRED) <= set(entry) or any(value is None for value in entry.values()): raise ValueError("keys")
    if any(not isinstance(entry[key], str) for key in TEXTS if key in entry): raise ValueError("a text is none")
    if type(entry["schema"]) is not int or entry["schema"] != 1 or type(entry["timeMicros"]) is not int: raise ValueError("schema or time")
    if entry["outcome"] not in ("success", "failure", "denied") or entry["actorAuth"] not in ("token", "oidc", "session", "service", "none"):
        raise ValueError("outcome or authentication")
    details, tags = entry.get("details", {"-": 0}), entry.get("tags", ["-"])
    if not (isinstance(details, dict) and details and isinstance(tags, list) and tags and all(isinstance(tag, str) for tag in tags)):
        raise ValueError("details or tags")
    if str(uuid.UUID(entry["id"])) != entry["id"] or entry["id"] != identity: raise LookupError("id")

def unbase64(text):
    if base64.b64encode(data := base64.b64decode(text, validate=True)).decode() != text: raise ValueError("base64 has one spelling")
    return data

def parse_key(text):
    name, digits, encoded = text.split("+", 2)
    data = unbase64(encoded)
    key_id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if len(data) != 33 or data[0] != 1 or key_id.hex() != digits: raise ValueError("not a key of the form NAME+HASH+BASE64")
    return (name, key_id), data[1:]

def open_note(note, keys):
    """The size and root of a checkpoint."""
    text, _, block = note.rpartition("\n\n")
    lines = text.split("\n")
    if len(lines) < 3 or not block.endswith("\n") or not re.fullmatch("0|[1-9][0-9]*", lines[1]) or len(unbase64(lines[2])) != 32:
        raise ValueError("not a checkpoint")
    size, root, signed = int(lines[1]), unbase64(lines[2]), set()
    for dash, name, encoded in (line.split(" ") for line in block[:-1].split("\n")):
        blob = unbase64(encoded)
        key = keys.get((name, blob[:4]))
        if dash != "\u2014" or key is None or Ed25519PublicKey is None: continue
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(blob[4:], (text + "\n").encode())
        except InvalidSignature: raise Broken("badCheckpoint", size)
        signed.add(name)
    if keys and Ed25519PublicKey is not None and lines[0] not in signed: raise Broken("badCheckpoint", size)
    return size, root

def root_of(stack):
    """The root over the full subtrees of the right edge (RFC 9162, 2.1.1)."""
    node = stack[-1][1] if stack else hashlib.sha256(b"").digest()
    for _, left in reversed(stack[:-1]):
        node = node_hash(left, node)
    return node

def verify_proof(text, keys):
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    if lines[0] != "c2sp.org/tlog-proof@v1" or lines[1][:6] != "extra " or not re.fullmatch("index (0|[1-9][0-9]*)", lines[2]):
        raise ValueError("not a proof")
    entry, index, (size, root) = unbase64(lines[1][6:]), int(lines[2][6:]), open_note(note, keys)
    leaf = hashlib.sha256(b"\x00" + entry).digest()
    walked = replay(index, size - 1, leaf, leaf, [unbase64(line) for line in lines[3:]])
    if index >= size or walked is None or walked[1] != root: raise Broken("doesNotProve", index)
    check_entry(entry, json.loads(entry)["id"])
    return size, root.hex(), 1

def verify(lines, keys, published):
    if next(lines, b"").rstrip(b"\n") != b'{"format":"shiplift-audit-export","version":1}': raise ValueError("no header")
    checkpoints, stack, size, count, ended = sorted(open_note(note, keys) for note in published), [], 0, len(published), False
    for line in lines:
        match = LEAF.fullmatch(line.removesuffix(b"\n"))
        if ended or (match is None and size > 0 and not line.startswith(b'{"root":')): raise ValueError("a line stands where it can't")
        if match is None:
            value = json.loads(line)
            if "checkpoint" in value:
                bisect.insort(checkpoints, open_note(value["checkpoint"], keys))
                count += 1
            else:
                ended = (value["size"], value["root"])
            continue
        index, identity, stored, text = int(match[1]), match[2].decode(), bytes.fromhex(match[3].decode()), match[4]
        if index != size:
            moved = index > size and any(each.startswith(b'{"index":%d,' % size) for each in lines)
            raise Broken("duplicate", index) if index < size else Broken("moved" if moved else "missing", size)
        if hashlib.sha256(b"\x00" + text).digest() != stored: raise Broken("changed", index)
        try:
            check_entry(text, identity)
        except LookupError: raise Broken("columnDiffers", index)
        except (ValueError, RecursionError): raise Broken("malformed", index)
        size, level, node = size + 1, 0, stored
        while stack and stack[-1][0] == level:
            level, node = level + 1, node_hash(stack.pop()[1], node)
        stack.append((level, node))
        while checkpoints and checkpoints[0][0] <= size:
            if checkpoints[0][0] == size and checkpoints[0][1] != root_of(stack): raise Broken("rootDiffers", size)
            checkpoints.pop(0)
    if any(each[0] > size for each in checkpoints): raise Broken("truncated", size)
    if ended != (size, root_of(stack).hex()): raise ValueError("the end is not about the leaves before it")
    return size, root_of(stack).hex(), count

def replay(place, last, old, new, path):
    """The common walk of RFC 9162, 2.1.3.2 and 2.1.4.2: the two roots, or None where the path has a wrong length."""
    for step in path:
        if last == 0: return None
        if place & 1 or place == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, step)
        place, last = place >> 1, last >> 1
    return (old, new) if last == 0 else None

def proves(proof):
    path = [bytes.fromhex(each) for each in proof["path"]]
    root = bytes.fromhex(proof["root"])
    if "leaf" in proof:
        leaf = bytes.fromhex(proof["leaf"])
        walked = replay(proof["index"], proof["size"] - 1, leaf, leaf, path)
        return 0 <= proof["index"] < proof["size"] and walked is not None and walked[1] == root
    first, second, old = proof["first"], proof["second"], bytes.fromhex(proof["firstRoot"])
    if first == second: return not path and old == root
    if first & (first - 1) == 0:
        path = [old] + path
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    return bool(path) and 0 < first < second and replay(place, last, path[0], path[0], path[1:]) == (old, root)

def main(arguments):
    try:
        if arguments[:1] == ["--proofs"]:
            with open(arguments[1], encoding="utf-8") as file:
                answers = [proves(json.loads(line)) for line in file]
            print("".join("1" if answer else "0" for answer in answers))
            return 0 if all(answers) else 1
        keys, published = {}, []
        while arguments[:1] in (["--key"], ["--checkpoint"]):
            if arguments[0] == "--key":
                keys.update([parse_key(arguments[1])])
            else:
                published.append(open(arguments[1], encoding="utf-8").read())
            arguments = arguments[2:]
        with open(arguments[-1], "rb") as file:
            proof = arguments[0] == "--proof"
            size, root, count = verify_proof(file.read().decode(), keys) if proof else verify(file, keys, published)
        checked = keys and count and Ed25519PublicKey is not None
        print("intact", size, root, "" if checked else "(signatures not checked)")
        return 0 if checked else 3
    except Broken as finding:
        print("broken", *finding.args)
        return 1
    except (ValueError, KeyError, IndexError, TypeError, OSError, RecursionError) as error:
        print("not an export:", error)
        return 2

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
