"""kontrakt: contracts for event-driven services, checked and turned into typed stubs."""
