"""The contract: which service produces and consumes which event on which topic."""
