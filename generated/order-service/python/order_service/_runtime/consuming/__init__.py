"""Consumers: from what a group is given to the handler, and what becomes of each message."""
