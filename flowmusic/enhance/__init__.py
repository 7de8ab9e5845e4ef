"""Bandwidth extension: the treble of a recording that ends at a cut, painted in from what lies below (docs/enhance.md)."""
