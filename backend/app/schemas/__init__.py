"""The bodies of requests and responses, with the examples that /docs shows."""
