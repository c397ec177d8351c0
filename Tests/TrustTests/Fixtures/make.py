#!/usr/bin/env python3
"""Makes the signatures that TrustTests verifies, with OpenSSL (through the package `cryptography`), in the formats that cosign, sigstore and
Notation document. It shares no code with what it tests.

    pip install cryptography && python3 Tests/TrustTests/Fixtures/make.py

Keys are made anew at each run; none of them is used anywhere else, and their private halves are not kept.
"""
import base64, datetime as dt, hashlib, hmac, json, os, struct
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU, NameOID, ObjectIdentifier as OID

HERE = os.path.dirname(os.path.abspath(__file__))
DIGEST = "sha256:" + "a1" * 32
OTHER = "sha256:" + "b2" * 32
REPOSITORY = "registry.example.com/prod/shop/api"
ISSUER = "https://token.actions.githubusercontent.com"
WORKFLOW = "https://github.com/shop/api/.github/workflows/build.yml@refs/heads/main"
SIGNED = dt.datetime(2026, 5, 1, 12, 0, tzinfo=dt.timezone.utc)
LOGGED = int(SIGNED.timestamp()) + 60
INTOTO = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
cases = {}

b64 = lambda data: base64.b64encode(data).decode()
b64url = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
compact = lambda value: json.dumps(value, separators=(",", ":")).encode()
sha = lambda data: hashlib.sha256(data).digest()
spki = lambda key: key.public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)
pem = lambda key: key.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
der = lambda cert: cert.public_bytes(ser.Encoding.DER)
cert_pem = lambda cert: cert.public_bytes(ser.Encoding.PEM).decode()
p256 = lambda: ec.generate_private_key(ec.SECP256R1())


def sign(key, message, pss=False):
    if isinstance(key, ed25519.Ed25519PrivateKey): return key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else padding.PKCS1v15(), hashes.SHA256())
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


def case(name, form, data, annotations=None):
    assert name not in cases, name
    cases[name] = {"form": form, "bytes": b64(data), "annotations": annotations or {}}


keys = {
    "p256": p256(), "p384": ec.generate_private_key(ec.SECP384R1()), "p521": ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(), "rsa2048": rsa.generate_private_key(65537, 2048), "rsa4096": rsa.generate_private_key(65537, 4096),
}
stranger = p256()

# ---- Simple signing: cosign's SIGNATURE_SPEC.md


def simple(digest=DIGEST, reference=REPOSITORY + ":1.4.2", kind="cosign container image signature"):
    return compact({"critical": {"identity": {"docker-reference": reference}, "image": {"docker-manifest-digest": digest}, "type": kind}, "optional": None})


def simple_case(name, payload, key=keys["p256"], signature=None, **more):
    annotations = {"dev.cosignproject.cosign/signature": signature if signature is not None else b64(sign(key, payload))}
    annotations.update(more.get("annotations", {}))
    case(name, "simple", more.get("shown", payload), annotations)


for name, key in keys.items(): simple_case("simple-" + name, simple(), key)
simple_case("simple-rsa2048-pss", simple(), signature=b64(sign(keys["rsa2048"], simple(), pss=True)))
simple_case("simple-p384-sha384", simple(), signature=b64(keys["p384"].sign(simple(), ec.ECDSA(hashes.SHA384()))))
simple_case("forged-other-digest", simple(OTHER))
simple_case("forged-other-repository", simple(reference="registry.example.com/prod/shop/api-evil"))
simple_case("forged-repository-elsewhere", simple(reference="evil.example/registry.example.com/prod/shop/api"))
simple_case("forged-type", simple(kind="atomic container signature"))
simple_case("forged-duplicate-keys", simple(OTHER)[:-1] + b"," + simple()[1:])
simple_case("forged-duplicate-digest", simple().replace(b'{"docker-manifest-digest"', b'{"docker-manifest-digest":"%s","docker-manifest-digest"' % OTHER.encode()))
simple_case("forged-escaped-duplicate", simple().replace(b'{"docker-manifest-digest"', b'{"docker\\u002dmanifest-digest":"%s","docker-manifest-digest"' % OTHER.encode()))
simple_case("forged-payload-changed", simple(OTHER), shown=simple())
flipped = bytearray(sign(keys["p256"], simple())); flipped[-1] ^= 1
simple_case("forged-signature-changed", simple(), signature=b64(bytes(flipped)))
simple_case("forged-stranger", simple(), stranger)
simple_case("forged-no-base64", simple(), signature="%%%")
case("forged-no-signature", "simple", simple())
simple_case("forged-no-json", b"{" + simple())
simple_case("forged-trailing", simple() + b"{}")
simple_case("forged-capital-digest", simple(DIGEST.upper().replace("SHA256", "sha256")))
simple_case("forged-no-digest", simple().replace(b"docker-manifest-digest", b"Docker-Manifest-Digest"))
simple_case("forged-deep", b'{"critical":' + b"[" * 5000 + b"]" * 5000 + b"}")

# ---- in-toto statements in DSSE envelopes


def statement(predicate_type, predicate, digest=None, kind="https://in-toto.io/Statement/v1", **more):
    subject = more.get("subject", [{"name": REPOSITORY, "digest": digest or {"sha256": DIGEST[7:]}}])
    return compact({"_type": kind, "subject": subject, "predicateType": predicate_type, "predicate": predicate})


pae = lambda kind, body: b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body)


def envelope(body, key=keys["p256"], kind=INTOTO, shown_kind=None, signatures=None):
    signed = signatures if signatures is not None else [{"keyid": "", "sig": b64(sign(key, pae(kind, body)))}]
    return {"payloadType": shown_kind or kind, "payload": b64(body), "signatures": signed}


SOURCE = "git+https://github.com/shop/api@refs/heads/main"
slsa02 = {
    "builder": {"id": "https://github.com/actions/runner/github-hosted"}, "buildType": "https://github.com/slsa-framework/slsa-github-generator/generic@v1",
    "invocation": {"configSource": {"uri": SOURCE, "digest": {"sha1": "0" * 40}, "entryPoint": ".github/workflows/build.yml"}},
}


def slsa1(path=".github/workflows/build.yml", ref="refs/heads/main"):
    return {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": {"ref": ref, "repository": "https://github.com/shop/api", "path": path}},
            "resolvedDependencies": [{"uri": SOURCE, "digest": {"gitCommit": "0" * 40}}],
        },
        "runDetails": {"builder": {"id": "https://github.com/actions/runner/github-hosted"}, "metadata": {"invocationId": "1"}},
    }


V02, V1 = "https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"
SIGN = "https://sigstore.dev/cosign/sign/v1"
vuln = {
    "invocation": {}, "scanner": {"uri": "pkg:github/aquasecurity/trivy@0.60", "version": "0.60", "db": {}, "result": {"Results": []}},
    "metadata": {"scanStartedOn": "2026-05-01T11:00:00Z", "scanFinishedOn": "2026-05-01T11:01:00Z"},
}
dsse = lambda name, body, **more: case(name, "envelope", compact(envelope(body, **more)))
dsse("dsse-slsa02", statement(V02, slsa02, kind="https://in-toto.io/Statement/v0.1"))
dsse("dsse-slsa1", statement(V1, slsa1()))
dsse("dsse-slsa1-ed25519", statement(V1, slsa1()), key=keys["ed25519"])
dsse("dsse-spdx", statement("https://spdx.dev/Document", {"spdxVersion": "SPDX-2.3"}))
dsse("dsse-cyclonedx", statement("https://cyclonedx.org/bom", {"bomFormat": "CycloneDX"}))
dsse("dsse-vuln", statement("https://cosign.sigstore.dev/attestation/vuln/v1", vuln))
dsse("dsse-many-subjects", statement(V1, slsa1(), subject=[{"name": "x%d" % i, "digest": {"sha256": "%064x" % i}} for i in range(500)] + [{"name": REPOSITORY, "digest": {"sha256": DIGEST[7:]}}]))
urlsafe = envelope(statement(V1, slsa1()))
case("dsse-urlsafe", "envelope", compact({**urlsafe, "payload": b64url(base64.b64decode(urlsafe["payload"]))}))
dsse("forged-dsse-type-signed", statement(V1, slsa1()), kind="text/plain")
dsse("forged-dsse-type-changed", statement(V1, slsa1()), kind="text/plain", shown_kind=INTOTO)
dsse("forged-dsse-other-subject", statement(V1, slsa1(), {"sha256": OTHER[7:]}))
dsse("forged-dsse-sha1-only", statement(V1, slsa1(), {"sha1": hashlib.sha1(b"image").hexdigest()}))
dsse("forged-dsse-sha512-label", statement(V1, slsa1(), {"sha512": DIGEST[7:]}))
dsse("forged-dsse-no-subject", statement(V1, slsa1(), subject=[]))
dsse("forged-dsse-subject-flood", statement(V1, slsa1(), subject=[{"name": "x", "digest": {"sha256": DIGEST[7:]}}] * 1025))
dsse("forged-dsse-statement-type", statement(V1, slsa1(), kind="https://in-toto.io/Statement/v9"))
dsse("forged-dsse-duplicate-predicate-type", statement(V1, slsa1())[:-1] + b',"predicateType":"https://spdx.dev/Document"}')
dsse("forged-dsse-no-signatures", statement(V1, slsa1()), signatures=[])
dsse("forged-dsse-stranger", statement(V1, slsa1()), key=stranger)
dsse("forged-dsse-keyid", statement(V1, slsa1()), signatures=[{"keyid": hashlib.sha256(spki(keys["p256"])).hexdigest(), "sig": b64(sign(stranger, pae(INTOTO, statement(V1, slsa1()))))}])
body = statement(V1, slsa1())
dsse("forged-dsse-body-signed", body, signatures=[{"sig": b64(sign(keys["p256"], body))}])
dsse("forged-dsse-signature-flood", body, signatures=[{"sig": b64(b"x")}] * 17)

# ---- A sigstore: Fulcio's authorities, a certificate transparency log, Rekor


def name(text): return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sigstore.test"), x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def authority(text, key, issuer=None, issuer_key=None, path=None, years=(2020, 2040), **more):
    built = x509.CertificateBuilder().subject_name(name(text)).issuer_name(issuer.subject if issuer else name(text)).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number())
    built = built.not_valid_before(more.get("start", dt.datetime(years[0], 1, 1))).not_valid_after(more.get("end", dt.datetime(years[1], 1, 1)))
    built = built.add_extension(x509.BasicConstraints(True, path), True)
    built = built.add_extension(x509.KeyUsage(False, False, False, False, False, more.get("may_issue", True), True, False, False), True)
    if issuer: built = built.add_extension(x509.ExtendedKeyUsage([more.get("usage", EKU.CODE_SIGNING)]), False)
    return built.sign(issuer_key or key, hashes.SHA384())


root_key, middle_key, ct_key, rekor_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1()), p256(), p256()
root = authority("root", root_key)
middle = authority("intermediate", middle_key, root, root_key, path=0)
SCT = OID("1.3.6.1.4.1.11129.2.4.2")
ISSUER_V1, ISSUER_V2 = OID("1.3.6.1.4.1.57264.1.1"), OID("1.3.6.1.4.1.57264.1.8")


def vector(data, size): return len(data).to_bytes(size, "big") + data


def der_string(tag, data): return bytes([tag]) + (bytes([len(data)]) if len(data) < 128 else b"\x82" + struct.pack(">H", len(data))) + data


def sct(tbs, issuer_cert, key=ct_key, log_key=ct_key, milliseconds=LOGGED * 1000 - 1000):
    signed = b"\x00\x00" + struct.pack(">Q", milliseconds) + b"\x00\x01" + sha(spki_of(issuer_cert)) + vector(tbs, 3) + vector(b"", 2)
    one = b"\x00" + sha(spki(log_key)) + struct.pack(">Q", milliseconds) + vector(b"", 2) + b"\x04\x03" + vector(sign(key, signed), 2)
    return der_string(4, vector(vector(one, 2), 2))


spki_of = lambda cert: cert.public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)


def leaf(key, issuer=middle, issuer_key=middle_key, subject=WORKFLOW, token_issuer=ISSUER, **more):
    built = x509.CertificateBuilder().subject_name(name(more.get("name"))).issuer_name(issuer.subject if not more.get("self") else name(more.get("name")))
    built = built.public_key(key.public_key()).serial_number(x509.random_serial_number())
    built = built.not_valid_before(SIGNED.replace(tzinfo=None)).not_valid_after(SIGNED.replace(tzinfo=None) + dt.timedelta(minutes=10))
    built = built.add_extension(x509.KeyUsage(more.get("may_sign", True), False, False, False, False, more.get("ca", False), False, False, False), True)
    built = built.add_extension(x509.ExtendedKeyUsage([more.get("usage", EKU.CODE_SIGNING)]), False)
    if more.get("ca"): built = built.add_extension(x509.BasicConstraints(True, None), True)
    names = more.get("names", [x509.UniformResourceIdentifier(subject)])
    built = built.add_extension(x509.SubjectAlternativeName(names), True)
    if more.get("v1", True): built = built.add_extension(x509.UnrecognizedExtension(ISSUER_V1, more.get("v1_issuer", token_issuer).encode()), False)
    if more.get("v2", True): built = built.add_extension(x509.UnrecognizedExtension(ISSUER_V2, der_string(12, token_issuer.encode())), False)
    for url in more.get("aia", []):
        built = built.add_extension(x509.AuthorityInformationAccess([x509.AccessDescription(OID("1.3.6.1.5.5.7.48.2"), x509.UniformResourceIdentifier(url))]), False)
    if "critical" in more: built = built.add_extension(x509.UnrecognizedExtension(OID(more["critical"]), b"\x05\x00"), True)
    signer = key if more.get("self") else issuer_key
    draft = built.sign(signer, hashes.SHA256() if not isinstance(signer, ec.EllipticCurvePrivateKey) else hashes.SHA384())
    stamp = more.get("sct", lambda tbs: sct(tbs, issuer))
    stamp = stamp(draft.tbs_certificate_bytes) if callable(stamp) else stamp
    if stamp is None: return draft
    return built.add_extension(x509.UnrecognizedExtension(SCT, stamp), False).sign(signer, hashes.SHA384())


def log_id(key): return sha(spki(key))


def entry(body, *, time=LOGGED, key=rekor_key, promise=True, proof=True, bundle=True, index=4242, claimed_time=None, **more):
    body = compact(body)
    promised = compact({"body": b64(body), "integratedTime": time, "logID": log_id(more.get("claimed_log", key)).hex(), "logIndex": index})
    stamp = b64(sign(key, promised))
    shown_time = claimed_time or time
    if not bundle:
        return compact({"SignedEntryTimestamp": stamp, "Payload": {"body": b64(body), "integratedTime": shown_time, "logIndex": index, "logID": log_id(key).hex()}}).decode()
    made = {
        "logIndex": str(index), "logId": {"keyId": b64(log_id(more.get("claimed_log", key)))}, "kindVersion": {"kind": "x", "version": "0.0.1"},
        "integratedTime": str(shown_time), "canonicalizedBody": b64(body),
    }
    if promise: made["inclusionPromise"] = {"signedEntryTimestamp": stamp}
    if proof: made["inclusionProof"] = inclusion(body, **more)
    return made


node = lambda left, right: sha(b"\x01" + left + right)
leaf_hash = lambda data: sha(b"\x00" + data)


def tree(leaves):
    if len(leaves) == 1: return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node(tree(leaves[:split]), tree(leaves[split:]))


def path(place, leaves):
    if len(leaves) == 1: return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if place < split: return path(place, leaves[:split]) + [tree(leaves[split:])]
    return path(place - split, leaves[split:]) + [tree(leaves[:split])]


def checkpoint(size, root_hash, key=rekor_key, hint=None, origin="rekor.sigstore.test - 1"):
    text = "%s\n%d\n%s\n" % (origin, size, b64(root_hash))
    return text + "\n\u2014 rekor.sigstore.test %s\n" % b64(log_id(hint or key)[:4] + sign(key, text.encode()))


def inclusion(body, *, size=11, place=9, break_path=False, log=rekor_key, hint=None, other_tree=False, drop_checkpoint=False, **_):
    leaves = [leaf_hash(b"entry %d" % i) for i in range(size)]
    leaves[place] = leaf_hash(body)
    steps, root_hash = path(place, leaves), tree(leaves)
    if break_path: steps[1] = sha(b"wrong")
    made = {"logIndex": str(place), "treeSize": str(size), "rootHash": b64(root_hash), "hashes": [b64(step) for step in steps]}
    if not drop_checkpoint: made["checkpoint"] = {"envelope": checkpoint(size, sha(b"other") if other_tree else root_hash, log, hint)}
    return made


def dsse_body(body, signature, verifier):
    return {
        "apiVersion": "0.0.1", "kind": "dsse",
        "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": sha(b"envelope").hex()}, "payloadHash": {"algorithm": "sha256", "value": sha(body).hex()},
            "signatures": [{"signature": b64(signature), "verifier": b64(verifier)}],
        },
    }


def rekord_body(message, signature, verifier):
    return {
        "apiVersion": "0.0.1", "kind": "hashedrekord",
        "spec": {"data": {"hash": {"algorithm": "sha256", "value": sha(message).hex()}}, "signature": {"content": b64(signature), "publicKey": {"content": b64(verifier)}}},
    }


def intoto_body(body, signature, verifier):
    return {
        "apiVersion": "0.0.2", "kind": "intoto",
        "spec": {"content": {
            "envelope": {"payloadType": INTOTO, "signatures": [{"publicKey": b64(verifier), "sig": b64(b64(signature).encode())}]},
            "hash": {"algorithm": "sha256", "value": sha(b"envelope").hex()}, "payloadHash": {"algorithm": "sha256", "value": sha(body).hex()}}},
    }


def keyless(case_name, *, body=None, media=BUNDLE, cert=None, key=None, entries=None, make_body=dsse_body, chain=None, bundle_more=None, **more):
    """A bundle as `cosign sign` writes it since version 3. `more` goes to the log entry."""
    key = key or p256()
    cert = cert(key) if callable(cert) else cert or leaf(key)
    body = body or statement(SIGN, {})
    signed = envelope(body, key)
    signature = base64.b64decode(signed["signatures"][0]["sig"])
    made_entries = entries if entries is not None else [entry(make_body(body, signature, cert_pem(cert).encode()), **more)]
    material = {"tlogEntries": made_entries}
    if chain is None: material["certificate"] = {"rawBytes": b64(der(cert))}
    else: material["x509CertificateChain"] = {"certificates": [{"rawBytes": b64(der(c))} for c in [cert] + chain]}
    bundle = {"mediaType": media, "verificationMaterial": material, "dsseEnvelope": signed}
    bundle.update(bundle_more or {})
    case(case_name, "bundle", compact(bundle))
    return bundle


keyless("keyless-sign")
keyless("keyless-provenance", body=statement(V1, slsa1()))
keyless("keyless-provenance-other-workflow", body=statement(V1, slsa1(".github/workflows/other.yml")))
keyless("keyless-intoto-entry", make_body=intoto_body)
keyless("keyless-v02-chain", media="application/vnd.dev.sigstore.bundle+json;version=0.2", chain=[middle])
keyless("keyless-old-issuer-only", cert=lambda key: leaf(key, v2=False))
keyless("keyless-new-issuer-only", cert=lambda key: leaf(key, v1=False))
keyless("keyless-aia", cert=lambda key: leaf(key, aia=["http://127.0.0.1:9/ca.der"]))
keyless("keyless-rsa", key=rsa.generate_private_key(65537, 3072))


def keyless_tag(case_name, payload=None, entry_more=None, with_entry=True, logged_payload=None):
    key = p256(); cert = leaf(key); payload = payload or simple()
    signature = sign(key, payload)
    annotations = {
        "dev.cosignproject.cosign/signature": b64(signature), "dev.sigstore.cosign/certificate": cert_pem(cert),
        "dev.sigstore.cosign/chain": cert_pem(middle) + cert_pem(root),
    }
    if with_entry:
        annotations["dev.sigstore.cosign/bundle"] = entry(rekord_body(logged_payload or payload, signature, cert_pem(cert).encode()), bundle=False, **(entry_more or {}))
    case(case_name, "simple", payload, annotations)


keyless_tag("keyless-tag")
keyless_tag("forged-tag-no-entry", with_entry=False)
keyless_tag("forged-tag-entry-of-other", logged_payload=simple(OTHER))
keyless_tag("forged-tag-time", entry_more={"claimed_time": LOGGED + 60})
keyless_tag("forged-tag-other-digest", payload=simple(OTHER))

# The log says when an old key signed.
old = b64(sign(keys["p256"], simple()))
simple_case("key-logged", simple(), signature=old, annotations={
    "dev.sigstore.cosign/bundle": entry(rekord_body(simple(), base64.b64decode(old), pem(keys["p256"])), bundle=False)})
simple_case("forged-key-logged-other-key", simple(), signature=old, annotations={
    "dev.sigstore.cosign/bundle": entry(rekord_body(simple(), base64.b64decode(old), pem(stranger)), bundle=False)})
body = statement(SIGN, {})
case("key-bundle", "bundle", compact({"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": []}, "dsseEnvelope": envelope(body)}))

EVIL = "https://github.com/shop/api/.github/workflows/build.yml@refs/heads/main.evil.example"
keyless("forged-san-prefix", cert=lambda key: leaf(key, subject=EVIL))
keyless("forged-san-query", cert=lambda key: leaf(key, subject="https://evil.example/?" + WORKFLOW))
keyless("forged-san-twice", cert=lambda key: leaf(key, names=[x509.UniformResourceIdentifier(WORKFLOW), x509.UniformResourceIdentifier(EVIL)]))
keyless("forged-san-dns", cert=lambda key: leaf(key, names=[x509.DNSName("github.com")]))
keyless("forged-issuer", cert=lambda key: leaf(key, token_issuer="https://token.evil.example"))
keyless("forged-issuer-twice", cert=lambda key: leaf(key, v1_issuer="https://token.evil.example"))
keyless("forged-no-issuer", cert=lambda key: leaf(key, v1=False, v2=False))
keyless("forged-certificate-outside-validity", time=LOGGED + 3600)
keyless("forged-certificate-before-validity", time=LOGGED - 3600)
keyless("forged-critical-extension", cert=lambda key: leaf(key, critical="1.2.3.4"))
keyless("forged-authority-as-leaf", cert=lambda key: leaf(key, ca=True))
keyless("forged-self-signed", cert=lambda key: leaf(key, self=True, name="myself"))
keyless("forged-no-code-signing", cert=lambda key: leaf(key, usage=EKU.SERVER_AUTH))
keyless("forged-no-digital-signature", cert=lambda key: leaf(key, may_sign=False))
evil_key = ec.generate_private_key(ec.SECP384R1())
evil_root = authority("root", evil_key)
V02_TYPE = "application/vnd.dev.sigstore.bundle+json;version=0.2"
evil_leaf_key = ec.generate_private_key(ec.SECP384R1())
evil_issuer = authority("intermediate", evil_leaf_key, evil_root, evil_key, path=0)
keyless("forged-other-root", media=V02_TYPE, cert=lambda key: leaf(key, evil_issuer, evil_leaf_key), chain=[evil_issuer, evil_root])
below_key = ec.generate_private_key(ec.SECP384R1())
below = authority("below", below_key, middle, middle_key)
keyless("forged-path-too-long", media=V02_TYPE, cert=lambda key: leaf(key, below, below_key), chain=[below, middle])
late_key = ec.generate_private_key(ec.SECP384R1())
expired = authority("expired", late_key, root, root_key, end=SIGNED.replace(tzinfo=None))
keyless("forged-issuer-expired", media=V02_TYPE, cert=lambda key: leaf(key, expired, late_key), chain=[expired])
tls = authority("tls only", late_key, root, root_key, usage=EKU.SERVER_AUTH)
keyless("forged-issuer-usage", media=V02_TYPE, cert=lambda key: leaf(key, tls, late_key), chain=[tls])
idle = authority("no issuer", late_key, root, root_key, may_issue=False)
keyless("forged-issuer-key-usage", media=V02_TYPE, cert=lambda key: leaf(key, idle, late_key), chain=[idle])
keyless("forged-chain-in-v03", chain=[middle])
keyless("forged-sct-missing", cert=lambda key: leaf(key, sct=None))
keyless("forged-sct-key", cert=lambda key: leaf(key, sct=lambda tbs: sct(tbs, middle, key=stranger)))
keyless("forged-sct-unknown-log", cert=lambda key: leaf(key, sct=lambda tbs: sct(tbs, middle, key=stranger, log_key=stranger)))
copied = leaf(p256()).extensions.get_extension_for_oid(SCT)
copied_bytes = copied.value.public_bytes()
keyless("forged-sct-copied", cert=lambda key: leaf(key, sct=copied_bytes))
keyless("forged-sct-issuer", cert=lambda key: leaf(key, sct=lambda tbs: sct(tbs, root)))
keyless("forged-sct-late", cert=lambda key: leaf(key, sct=lambda tbs: sct(tbs, middle, milliseconds=int(dt.datetime(2031, 1, 1).timestamp()) * 1000)))
keyless("forged-sct-damaged", cert=lambda key: leaf(key, sct=der_string(4, b"\x00\xff\x00")))
keyless("forged-set-time", claimed_time=LOGGED + 5)


def with_signature(case_name, make):
    """A bundle whose log entry is made by `make(body, signature, certificate)`."""
    key = p256(); cert = leaf(key); body = statement(SIGN, {}); signed = envelope(body, key)
    signature = base64.b64decode(signed["signatures"][0]["sig"])
    bundle = {"mediaType": BUNDLE, "verificationMaterial": {"certificate": {"rawBytes": b64(der(cert))}, "tlogEntries": [make(body, signature, cert_pem(cert).encode())]}, "dsseEnvelope": signed}
    case(case_name, "bundle", compact(bundle))


with_signature("forged-set-key", lambda b, s, c: entry(dsse_body(b, s, c), key=stranger, claimed_log=rekor_key))
with_signature("forged-entry-other-artifact", lambda b, s, c: entry(dsse_body(statement(SIGN, {}, {"sha256": OTHER[7:]}), s, c)))
with_signature("forged-entry-other-signature", lambda b, s, c: entry(dsse_body(b, b"other", c)))
with_signature("forged-entry-other-certificate", lambda b, s, c: entry(dsse_body(b, s, cert_pem(leaf(p256())).encode())))
with_signature("forged-entry-kind", lambda b, s, c: entry({**dsse_body(b, s, c), "kind": "rpm"}))
with_signature("forged-entry-unpinned-log", lambda b, s, c: entry(dsse_body(b, s, c), key=stranger))
keyless("forged-proof-path", break_path=True)
keyless("forged-proof-missing", proof=False)
keyless("forged-proof-no-checkpoint", drop_checkpoint=True)
keyless("forged-checkpoint-other-log", log=stranger)
keyless("forged-checkpoint-key", log=stranger, hint=rekor_key)
keyless("forged-checkpoint-other-tree", other_tree=True)
keyless("forged-no-entries", entries=[])
keyless("forged-no-promise", promise=False)
keyless("forged-log-key-expired", time=int(dt.datetime(2031, 1, 1).timestamp()))
keyless("forged-bundle-version", media="application/vnd.dev.sigstore.bundle.v9+json")
keyless("forged-bundle-message", bundle_more={"messageSignature": {"signature": ""}})
two = keyless("forged-bundle-two-signatures")
del cases["forged-bundle-two-signatures"]
two["dsseEnvelope"]["signatures"] *= 2
case("forged-bundle-two-signatures", "bundle", compact(two))
swapped = keyless("forged-bundle-signature")
del cases["forged-bundle-signature"]
swapped["dsseEnvelope"]["payload"] = b64(statement(SIGN, {"more": 1}))
case("forged-bundle-payload", "bundle", compact(swapped))
keyless("forged-bundle-other-digest", body=statement(SIGN, {}, {"sha256": OTHER[7:]}))

span = {"start": "2020-01-01T00:00:00Z", "end": "2030-01-01T00:00:00.000Z"}
log = lambda key: {"baseUrl": "https://log.sigstore.test", "hashAlgorithm": "SHA2_256", "publicKey": {"rawBytes": b64(spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": span}, "logId": {"keyId": b64(log_id(key))}}
trusted = {
    "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1", "tlogs": [log(rekor_key)], "ctlogs": [log(ct_key)],
    "certificateAuthorities": [{"subject": {"organization": "sigstore.test", "commonName": "sigstore"}, "uri": "https://fulcio.sigstore.test",
                                "certChain": {"certificates": [{"rawBytes": b64(der(middle))}, {"rawBytes": b64(der(root))}]}, "validFor": {"start": "2020-01-01T00:00:00Z"}}],
    "timestampAuthorities": [],
}

# ---- Notation: JWS

notary_key = rsa.generate_private_key(65537, 4096)
notary_root = x509.CertificateBuilder().subject_name(name("notary root")).issuer_name(name("notary root")).public_key(notary_key.public_key()).serial_number(1)
notary_root = notary_root.not_valid_before(dt.datetime(2020, 1, 1)).not_valid_after(dt.datetime(2040, 1, 1)).add_extension(x509.BasicConstraints(True, 0), True)
notary_root = notary_root.add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True).sign(notary_key, hashes.SHA256())


def notary_leaf(key, signer=notary_key, issuer=notary_root, usage=EKU.CODE_SIGNING, end=2030, text="release"):
    built = x509.CertificateBuilder().subject_name(name(text)).issuer_name(issuer.subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
    built = built.not_valid_before(dt.datetime(2024, 1, 1)).not_valid_after(dt.datetime(end, 1, 1))
    built = built.add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
    return built.add_extension(x509.ExtendedKeyUsage([usage]), False).sign(signer, hashes.SHA256())


def jws(alg, key, message):
    if alg == "none": return b""
    if alg == "HS256": return hmac.new(pem(key), message, hashlib.sha256).digest()
    if isinstance(key, rsa.RSAPrivateKey):
        kind = {"PS256": hashes.SHA256(), "PS384": hashes.SHA384(), "PS512": hashes.SHA512(), "RS256": hashes.SHA256()}[alg]
        return key.sign(message, padding.PKCS1v15() if alg == "RS256" else padding.PSS(padding.MGF1(kind), kind.digest_size), kind)
    size = key.curve.key_size // 8
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256() if size == 32 else hashes.SHA384())))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def notation(case_name, alg, key, digest=DIGEST, cert=None, crit=("io.cncf.notary.signingScheme",), shown=None, **more):
    cert = cert or notary_leaf(key)
    header = {"alg": alg, "cty": "application/vnd.cncf.notary.payload.v1+json", "crit": list(crit), "io.cncf.notary.signingScheme": "notary.x509", "io.cncf.notary.signingTime": "2026-05-01T12:00:00Z"}
    header.update(more.get("header", {}))
    payload = lambda d: b64url(compact({"targetArtifact": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": d, "size": 1}}))
    protected = b64url(compact(header))
    signature = jws(alg, key, ("%s.%s" % (protected, payload(digest))).encode())
    made = {"payload": payload(shown or digest), "protected": protected, "header": {"x5c": [b64(der(cert))] + more.get("chain", [b64(der(notary_root))]), "io.cncf.notary.signingAgent": "notation/1.3"}, "signature": b64url(signature)}
    case(case_name, "notation", compact(made))


nk = p256()
notation("notation-es256", "ES256", nk)
notation("notation-es384", "ES384", keys["p384"])
notation("notation-ps256", "PS256", keys["rsa2048"])
notation("notation-ps512", "PS512", keys["rsa4096"])
EXPIRY = ("io.cncf.notary.signingScheme", "io.cncf.notary.expiry")
notation("notation-expiry", "ES256", nk, crit=EXPIRY, header={"io.cncf.notary.expiry": "2027-01-01T00:00:00Z"})
notation("forged-notation-none", "none", nk)
notation("forged-notation-hmac", "HS256", nk)
notation("forged-notation-pkcs1", "RS256", keys["rsa2048"])
notation("forged-notation-algorithm", "ES384", nk, header={"alg": "ES384"})
notation("forged-notation-critical", "ES256", nk, crit=("io.cncf.notary.signingScheme", "io.cncf.notary.verificationPlugin"), header={"io.cncf.notary.verificationPlugin": "x"})
notation("forged-notation-critical-absent", "ES256", nk, crit=EXPIRY)
notation("forged-notation-expiry-hidden", "ES256", nk, header={"io.cncf.notary.expiry": "2027-01-01T00:00:00Z"})
notation("forged-notation-expired", "ES256", nk, crit=EXPIRY, header={"io.cncf.notary.expiry": "2026-05-02T00:00:00Z"})
notation("forged-notation-other-digest", "ES256", nk, OTHER)
notation("forged-notation-payload", "ES256", nk, OTHER, shown=DIGEST)
notation("forged-notation-scheme", "ES256", nk, header={"io.cncf.notary.signingScheme": "notary.x509.signingAuthority"})
notation("forged-notation-content-type", "ES256", nk, header={"cty": "text/plain"})
notation("forged-notation-usage", "ES256", nk, cert=notary_leaf(nk, usage=EKU.SERVER_AUTH))
notation("forged-notation-certificate-expired", "ES256", nk, cert=notary_leaf(nk, end=2025))
impostor = authority("notary root", stranger)
notation("forged-notation-root", "ES256", nk, cert=notary_leaf(nk, stranger, impostor), chain=[b64(der(impostor))])
notation("forged-notation-subject", "ES256", nk, cert=notary_leaf(nk, text="release,CN=x"))

written = {
    "materials.json": json.dumps({"digest": DIGEST, "repository": REPOSITORY, "cases": cases}, indent=0, sort_keys=True),
    "trusted_root.json": json.dumps(trusted, indent=1), "notary-root.pem": cert_pem(notary_root), "stranger.pub": pem(stranger).decode(),
    "rsa1024.pub": pem(rsa.generate_private_key(65537, 1024)).decode(),
    "secp256k1.pub": pem(ec.generate_private_key(ec.SECP256K1())).decode(),
}
for label, key in keys.items(): written[label + ".pub"] = pem(key).decode()
for file, text in written.items():
    with open(os.path.join(HERE, file), "w") as out: out.write(text if text.endswith("\n") else text + "\n")
print(len(cases), "cases,", sum(n.startswith("forged") for n in cases), "of them forged")
