"""From messages to commands and queries. A wrong form raises Refused: INVALID_REQUEST."""
