"""Between the messages on the wire and the records of the rules."""
