#!/bin/sh
# From skopeo-sync: digests that it was told to bring. Each is a request, which policy decides.
set -eu
# sync.yml:4
shiplift promote 'api@sha256:e8ca4f9ff069d6a35f444832097e6650f6594b3ec0de129109d53a1b760884e9' --from 'registry-example-com-shop' --to 'mirror-example-com-ext' --wait
