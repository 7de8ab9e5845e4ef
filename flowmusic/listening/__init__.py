"""Listening tests: a page for listeners, without a server, and the statistics of what they say."""
