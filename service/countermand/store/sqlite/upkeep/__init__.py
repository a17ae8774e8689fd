"""What is done with a store as a whole: its facts, its check, copies, and putting one in place."""
