"""Producers: what is sent, what became of it, and transactions."""
