"""What every generated package carries with it: the same files, word for word.

Nothing here knows a contract. It imports the standard library and one client of Kafka: `kafka`
imports confluent-kafka, and the modules called `aiokafka_...` import aiokafka. It never imports the
tool that generated the package.
"""
