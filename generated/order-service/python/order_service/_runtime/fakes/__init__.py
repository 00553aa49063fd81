"""Kafka and the registry in memory, for the tests of a service."""
