"""The embedded schema registry: Confluent's semantics on one SQLite file."""
