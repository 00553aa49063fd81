"""What every generated package carries with it: the same files, word for word.

Nothing here knows a contract, and nothing imports the tool that generated the package. The floors,
each of which imports only those below it:

- `fakes`: Kafka in memory,
- `consuming`: consumers,
- `storage`: inbox and outbox,
- `producing`: producers,
- `messages`: from an event to the message that carries it, and back,
- `kafka`: the clients of Kafka and of the schema registry, which alone import confluent-kafka or
  aiokafka,
- `avro`: the pieces of codecs, and data of other versions,
- `errors`, `policy`, `metrics` and `telemetry`, for all of them.
"""
