"""What benchmark.py and crowd.py are made of. Not part of the service."""
