"""All promotions in one request, and waiting for the end of each: the client's side of "family, one call".

    one_call.py URL TOKEN_FILE < request.json      status 0: all succeeded; 1: not all; 69: there is no such request
"""

import http.client
import json
import sys

FINAL = {"succeeded", "failed", "denied", "cancelled"}
NOT_THERE = 69


def ask(connection, headers, method, path, body=None):
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read()


def main(url, token_file):
    with open(token_file, encoding="utf-8") as file:
        headers = {"Authorization": "Bearer " + file.read().strip(), "Content-Type": "application/json", "Prefer": "wait=60"}
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
    status, answer = ask(connection, headers, "POST", "/v1/promotions/batch", sys.stdin.buffer.read())
    if status in (404, 405):
        print(f"POST /v1/promotions/batch answers {status}")
        return NOT_THERE
    if status >= 400:
        print(status, answer[:500].decode(errors="replace"))
        return 1
    failures = 0
    for item in json.loads(answer)["items"]:
        promotion = item.get("promotion")
        while promotion and promotion["state"] not in FINAL:
            status, answer = ask(connection, headers, "GET", f"/v1/promotions/{promotion['id']}")
            promotion = json.loads(answer) if status < 400 else None
        if not promotion or promotion["state"] != "succeeded":
            failures += 1
            print(json.dumps(promotion or item)[:500])
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
