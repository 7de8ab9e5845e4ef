"""What a person hands to a command, flags and files, as one request: tempo and meter, drum loops, MIDI, pseudowords."""
