#!/bin/sh
# Promotes an image with nothing but curl and the token that the CI system gives to the job: nothing is stored.
#
#   SHIPLIFT_URL=https://shiplift.example.com SHIPLIFT_TOKEN=… promote-with-curl.sh shop/api 1.4.2 test staging [SECONDS]
#
# Asked again in the same run it answers for the same promotion: a job that is repeated after an approval goes on where it was.
# Ends with 0 when the image is there, 3 when it may not go, 4 when it failed, 5 when it waits for somebody; says why on standard output.
set -eu
image=$1 tag=$2 from=$3 to=$4 seconds=${5:-60}

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
# The token comes by a file descriptor: the arguments of a process can be read by others.
status=$(
    printf 'header = "Authorization: Bearer %s"\n' "$SHIPLIFT_TOKEN" |
        curl --silent --show-error --max-time $((seconds + 30)) --config - --output "$answer" --write-out '%{http_code}' \
            --header 'Content-Type: application/json' --header "Prefer: wait=$seconds" --header "Idempotency-Key: ${CI_PIPELINE_ID:-${GITHUB_RUN_ID:-0}}-$image-$tag-$to" \
            --data "{\"image\":\"$image\",\"tag\":\"$tag\",\"from\":\"$from\",\"to\":\"$to\"}" "$SHIPLIFT_URL/v1/promotions"
)

# One text of the answer by its key, and the reasons of the gates that are not open.
field() { tr '\n' ' ' <"$answer" | grep -o "\"$1\" *: *\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }
reasons() { grep -o '{[^{}]*"gate"[^{}]*}' "$answer" | grep -v '"outcome" *: *"allow"' | grep -o '"reason" *: *"[^"]*"' | cut -d '"' -f 4 | sed 's/^/  /'; }

case $status in
2*) ;;
*)
    echo "$image:$tag to $to: refused ($status): $(field detail)"
    case $status in 401 | 403) exit 3 ;; *) exit 4 ;; esac
    ;;
esac
state=$(field state)
echo "$image:$tag to $to: $state ($SHIPLIFT_URL/v1/promotions/$(field id))"
case $state in
succeeded) exit 0 ;;
denied) reasons && exit 3 ;;
failed | cancelled) exit 4 ;;
*) reasons && exit 5 ;;
esac
