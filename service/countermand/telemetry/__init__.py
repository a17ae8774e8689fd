"""What the service tells about itself: traces by the OpenTelemetry SDK, and logs as JSON lines."""
