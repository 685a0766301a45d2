"""What a person reads: the terminal while a search runs and when it has ended."""
