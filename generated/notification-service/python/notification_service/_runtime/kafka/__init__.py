"""Kafka and the schema registry: what leads to them, and what is asked of them.

`transport` and `async_transport` say what producers and consumers need; `confluent` fulfils it with
confluent-kafka, `aiokafka` with aiokafka.
"""
