"""What several benchmarks use. Nothing in here knows a question that one of them asks."""
