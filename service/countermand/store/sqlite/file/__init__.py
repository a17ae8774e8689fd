"""The file of a store: whose it is, and whether all of it is there."""
