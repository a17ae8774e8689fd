"""`countermand top`: a live screen of what is being cancelled."""
