"""Recordings to shards: scans, manifests, known data sets, the per-clip function, builds and the page of one."""
