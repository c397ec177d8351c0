"""What schemathesis has to know of this service."""
import json
import os
import urllib.error
import urllib.request
import uuid

import schemathesis

BASE = os.environ["CONTRACT_BASE"]
TOKEN = os.environ["CONTRACT_TOKEN"]
OWN = set(os.environ["CONTRACT_OWN"].split(","))
ENDED = os.environ["CONTRACT_ENDED"]


@schemathesis.hook
def before_call(context, case, kwargs):
    path = case.operation.path
    identifier = str((case.path_parameters or {}).get("id", ""))
    # A cursor is only right where a page of the same query gave it, which no schema can say; nor that of two parameters one may be given.
    if case.query:
        case.query.pop("cursor", None)
        if path in ("/v1/eligibility", "/v1/review") and "tag" in case.query:
            case.query.pop("digest", None)
    if path == "/v1/review" and not (case.query or {}).keys() & {"tag", "digest"}:
        case.query = {**(case.query or {}), "tag": "1.0.0"}
    # The token that the tests themselves use stays.
    if path == "/v1/tokens/{id}" and identifier in OWN:
        case.path_parameters["id"] = str(uuid.uuid4())
    # Who listens to a promotion that has not ended listens until it does.
    if path == "/v1/promotions/{id}/events" and case.method.upper() == "GET" and is_open(identifier):
        case.path_parameters["id"] = ENDED
    # These wait for the end where nothing else is preferred.
    if path.startswith("/api/"):
        case.headers["Prefer"] = "wait=0"


def is_open(identifier):
    request = urllib.request.Request(f"{BASE}/v1/promotions/{identifier}", headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["state"] not in ("denied", "succeeded", "failed", "cancelled")
    except (urllib.error.HTTPError, ValueError, UnicodeError, OSError):
        return False
