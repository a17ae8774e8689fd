"""`countermand demo`: a checkout at three merchants, and its cancel, played for real."""
