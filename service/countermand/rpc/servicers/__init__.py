"""The services: each method parses, calls and renders, and nothing else."""
