"""What each command wants to see, and what it does."""
