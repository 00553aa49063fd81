"""Avro itself: the model of its schemas, its canonical form and its rules of resolution."""
