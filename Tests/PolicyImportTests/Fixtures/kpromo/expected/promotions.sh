#!/bin/sh
# From kpromo: digests that it was told to bring. Each is a request, which policy decides.
set -eu
# images.yaml:3
shiplift promote 'api@sha256:e8ca4f9ff069d6a35f444832097e6650f6594b3ec0de129109d53a1b760884e9' --from 'staging' --to 'production' --target-tag 'v1.1.0' --target-tag 'v1.1' --wait
# images.yaml:4
shiplift promote 'api@sha256:c3d310f4741b3642497da8826e0986db5e02afc9777a2b8e668c8e41034128c1' --from 'staging' --to 'production' --target-tag 'v1.0.0' --wait
# images.yaml:7
shiplift promote 'web@sha256:ec22e8de4b8d40252518147adfb76877cb5e1fa10293e52db26a9623c6a4e92b' --from 'staging' --to 'production' --target-tag 'v2.0.0' --wait
