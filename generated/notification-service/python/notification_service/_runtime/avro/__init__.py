"""Avro at run time: schemas, the pieces of generated codecs, and data of other versions."""
