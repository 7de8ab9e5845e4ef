// Names of notes and chords: the palette of a key, colours by root, and what to call a pitch.

export const ROOTS = ['C', 'C#', 'D', 'Eb', 'E', 'F', 'F#', 'G', 'Ab', 'A', 'Bb', 'B'];
const LETTERS = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };
const SCALE = [0, 2, 4, 5, 7, 9, 11];

// Degrees of a major and of a minor key: semitones above the tonic, type of chord, and its Roman numeral.
const DIATONIC = {
  major: [[0, '', 'I'], [2, 'm', 'ii'], [4, 'm', 'iii'], [5, '', 'IV'], [7, '', 'V'], [9, 'm', 'vi'],
    [11, 'dim', 'vii°']],
  minor: [[0, 'm', 'i'], [2, 'dim', 'ii°'], [3, '', 'III'], [5, 'm', 'iv'], [7, 'm', 'v'], [8, '', 'VI'],
    [10, '', 'VII']],
};
// The minor subdominant, the flat degrees and dominants of songs in major; dominant and Neapolitan in minor.
const BORROWED = {
  major: [[7, '7', 'V7'], [0, 'maj7', 'Imaj7'], [2, 'm7', 'ii7'], [5, 'm', 'iv'], [10, '', '♭VII'], [8, '', '♭VI'],
    [3, '', '♭III'], [2, '7', 'V7/V'], [4, '7', 'V7/vi']],
  minor: [[7, '7', 'V7'], [7, '', 'V'], [0, 'm7', 'i7'], [5, '', 'IV'], [1, '', '♭II'], [2, 'm7b5', 'iiø'],
    [5, 'm7', 'iv7'], [8, 'maj7', 'VImaj7'], [0, '7', 'V7/iv']],
};

export function pitchClass(name) {
  const match = /^([A-G])([#b]*)/.exec(name);
  if (match === null) return null;
  const sharps = match[2].split('#').length - 1;
  return (LETTERS[match[1]] + sharps - (match[2].length - sharps) + 120) % 12;
}

// [root 0-11, "major" or "minor"] of a text such as "A minor"; C major for any other.
export function readKey(text) {
  const match = /^([A-G][#b]?)\s*(major|maj|minor|min|m)?$/i.exec((text || '').trim());
  if (match === null) return [0, 'major'];
  const mode = match[2] === 'm' || /^min/i.test(match[2] || '') ? 'minor' : 'major';
  return [pitchClass(match[1][0].toUpperCase() + match[1].slice(1)), mode];
}

function chordsOf(root, degrees) {
  return degrees.map(([above, type, numeral]) => ({ label: ROOTS[(root + above) % 12] + type, numeral }));
}

// The chords of a key as buttons: seven diatonic ones, and those that songs borrow.
export function palette(root, mode) {
  return { diatonic: chordsOf(root, DIATONIC[mode]), borrowed: chordsOf(root, BORROWED[mode]) };
}

// Hue in degrees by the circle of fifths, on which neighbours share most notes; null for no chord.
export function hue(label) {
  const root = pitchClass(label);
  return root === null ? null : (((root * 7) % 12) * 30 + 260) % 360;
}

export function isMinor(label) {
  return /^[A-G][#b]?(m(?!aj)|dim)/.test(label);
}

// ♯ and ♭ as they are printed; what is sent keeps # and b.
export function printed(label) {
  return label.replace(/#/g, '♯').replace(/(?<=[A-G])b|b(?=\d)/g, '♭');
}

export function noteName(midi) {
  return `${ROOTS[midi % 12]}${Math.floor(midi / 12) - 1}`;
}

export function isBlack(midi) {
  return !SCALE.includes(midi % 12);
}
