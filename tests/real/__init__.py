"""Tests against real parts: Kafka, registries, PostgreSQL, Avro Java; and what starts them."""
