"""What Opus speaks: the only rooms that know its HTTP and its JSON."""
