"""What moves: the writer that commits in groups, the hub that tells watchers, the reaper."""
