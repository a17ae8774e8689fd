"""What watchers are told: the hub, the log and the streams between them."""
