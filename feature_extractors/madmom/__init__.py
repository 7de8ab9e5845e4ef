"""madmom's recognisers, where that optional package is installed."""
