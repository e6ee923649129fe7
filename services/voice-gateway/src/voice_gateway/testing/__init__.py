"""Scripted callers and upstreams for tests and benchmarks of the gateway."""
