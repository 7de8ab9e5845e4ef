"""Networks only: the vector field, and the encoder from controls to its condition."""
