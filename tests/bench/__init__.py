"""Benchmarks: kontrakt beside what a user would take instead, in one run. Not part of the tests."""
