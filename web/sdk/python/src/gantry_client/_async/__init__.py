"""The client for code that runs on an event loop."""
