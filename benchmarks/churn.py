"""Measures what a call notices of callers who mean ill."""

from shared.launch import run

run("churn")
