"""Generated from `protos/countermand/v1`; made by `make proto`, never edited."""
