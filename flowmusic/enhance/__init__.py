"""Bandwidth extension: the treble of a recording that ends at a cut, painted from what lies below (docs/enhance.md)."""
