"""What is answered without a key."""
