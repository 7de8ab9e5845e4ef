"""An inaudible keyed mark in what is generated, and how it is found: spread spectrum in the short-time spectrum."""
