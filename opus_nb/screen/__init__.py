"""What a person sees: forms, the mapping, live runs, cards. Handed callables and plain values only."""
