#!/bin/sh
# From regsync: digests that it was told to bring. Each is a request, which policy decides.
set -eu
# regsync.yml:38
shiplift promote 'library/alpine@sha256:e8ca4f9ff069d6a35f444832097e6650f6594b3ec0de129109d53a1b760884e9' --from 'docker-io' --to 'registry-example-com-prod' --target-tag '3.19' --wait
