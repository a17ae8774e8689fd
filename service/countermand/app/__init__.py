"""What runs, without gRPC."""
