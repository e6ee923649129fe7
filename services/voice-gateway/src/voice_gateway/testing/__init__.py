"""Scripted callers and services for tests and benchmarks; not part of what is shipped."""
