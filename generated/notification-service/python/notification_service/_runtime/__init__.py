"""What every generated package carries with it: the same files, word for word.

Nothing here knows a contract. It imports the standard library and, in `kafka` alone,
confluent-kafka; it never imports the tool that generated the package.
"""
