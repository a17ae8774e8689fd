"""What every store in SQL does alike: no driver and no dialect is known here."""
