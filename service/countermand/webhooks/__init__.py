"""Delivery of webhooks: what is to be sent when, how, and where it may go."""
