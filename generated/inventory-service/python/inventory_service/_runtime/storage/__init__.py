"""What lies in the database of the service: an inbox of what was handled, an outbox to be sent."""
