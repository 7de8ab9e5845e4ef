"""Lead sheets: bars with chords, a melody and sections, in the formats that people have them in."""
