"""Contains scripted callers and services for tests and benchmarks; it is not shipped."""
