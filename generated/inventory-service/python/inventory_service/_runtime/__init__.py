"""What every generated package carries with it: the same files, word for word.

Nothing here knows a contract. It imports the standard library and a client of Kafka: `kafka` alone
confluent-kafka, `async_kafka` and what stands beside it aiokafka. It never imports the tool that
generated the package.
"""
