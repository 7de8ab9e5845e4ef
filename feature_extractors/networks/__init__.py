"""Networks of ours that recognise chords and drums and take drums out of a mix, and what they are trained on."""
