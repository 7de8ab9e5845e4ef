// Typed chords: a name of the vocabulary is known here, everything else is read by Python's grammar.

// As labels are written: ♯ and ♭ of a screen keyboard are # and b.
function plain(text) {
  return text.replace(/♯/g, '#').replace(/♭/g, 'b');
}

// {bars} or {changes}, with notices; or {error}.
export async function readChords(app, text) {
  const name = plain(text);
  if (app.chordNames.includes(name)) return { bars: [[name]] };
  const { seconds, bpm, beatsPerBar } = app.grid;
  try {
    return await app.server.read_chords({ text, seconds, bpm, beats_per_bar: beatsPerBar });
  } catch (error) {
    return { error: 'The chords could not be read, for the page has lost its server; reload it.' };
  }
}
