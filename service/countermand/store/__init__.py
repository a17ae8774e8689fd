"""Where tasks, groups, cancellations and their log are kept."""
