"use strict";
// Sounds that are compared: decoded before the test, started together on one clock, and heard one at a time.

/** Seconds in which one sound gives way to the next. */
const FADE = 0.01;

/** Sounds of one length on one clock. */
class Player {
  /**
   * @param {BaseAudioContext} context
   * @param {AudioBuffer[]} buffers
   * @param {AudioNode} out
   */
  constructor(context, buffers, out) {
    this.context = context;
    this.out = out;
    const length = Math.max(...buffers.map((buffer) => buffer.length));
    this.buffers = buffers.map((buffer) => padded(context, buffer, length));
    this.seconds = length / context.sampleRate;
    this.selected = 0;
    this.looping = true;
    this.from = 0;
    this.to = this.seconds;
    this.offset = 0;
    this.sources = null;
    this.onend = () => {};
  }

  get playing() {
    return this.sources !== null;
  }

  /** Starts all sounds in the same sample; the selected one is heard. */
  play(offset = this.offset, when = this.context.currentTime + 0.03) {
    this.halt();
    if (this.looping && (offset < this.from || offset >= this.to)) offset = this.from;
    if (!this.looping && offset >= this.seconds - 0.01) offset = 0;
    this.sources = this.buffers.map((buffer, index) => {
      const gain = this.context.createGain();
      gain.gain.setValueAtTime(index === this.selected ? 1 : 0, 0);
      const source = this.context.createBufferSource();
      source.buffer = buffer;
      source.loop = this.looping;
      source.loopStart = this.from;
      source.loopEnd = this.to;
      source.connect(gain).connect(this.out);
      source.start(when, offset);
      return { source, gain };
    });
    this.started = when;
    this.begun = offset;
    const sources = this.sources;
    sources[0].source.onended = () => {
      if (this.sources !== sources) return;
      this.halt();
      this.offset = 0;
      this.onend();
    };
  }

  /** Changes which sound is heard; all of them run on. */
  select(index, when = this.context.currentTime) {
    const before = this.selected;
    this.selected = index;
    if (!this.playing || before === index) return;
    for (const [number, from, to] of [[before, 1, 0], [index, 0, 1]]) {
      const gain = this.sources[number].gain.gain;
      gain.cancelScheduledValues(when);
      gain.setValueAtTime(from, when);
      gain.linearRampToValueAtTime(to, when + FADE);
    }
  }

  /** Stops where it is. */
  pause() {
    this.offset = this.position();
    this.halt();
  }

  /** Seconds from the beginning of the sounds. */
  position() {
    if (!this.playing) return this.offset;
    const at = this.begun + Math.max(0, this.context.currentTime - this.started);
    if (!this.looping) return Math.min(at, this.seconds);
    return at < this.to ? at : this.from + ((at - this.from) % (this.to - this.from));
  }

  /** What is repeated, in seconds; the whole where the two are too near. */
  loop(from, to) {
    const running = this.playing;
    if (running) this.pause();
    [this.from, this.to] = to - from < 0.25 ? [0, this.seconds] : [from, to];
    if (running) this.play(this.from);
  }

  halt() {
    const sources = this.sources;
    this.sources = null;
    if (!sources) return;
    const now = this.context.currentTime;
    for (const { source, gain } of sources) {
      const level = gain.gain.value;
      gain.gain.cancelScheduledValues(now);
      gain.gain.setValueAtTime(level, now);
      gain.gain.linearRampToValueAtTime(0, now + FADE);
      source.stop(now + FADE);
    }
  }
}

/** The same sound with silence up to a length, so that all loops are of one length. */
function padded(context, buffer, length) {
  if (buffer.length === length) return buffer;
  const whole = context.createBuffer(buffer.numberOfChannels, length, buffer.sampleRate);
  for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
    whole.copyToChannel(buffer.getChannelData(channel), channel);
  }
  return whole;
}

const waiting = new Map();

/** What each file of audio/ calls; a page that was opened from a disk may load scripts, and may not fetch files. */
function listeningTestSound(key, text) {
  waiting.get(key)?.(text);
}

/** Loads and decodes sounds; resolves to buffers by key.  Rejects with the name of what cannot be loaded. */
async function loadSounds(context, keys, tell) {
  const buffers = new Map();
  const left = [...keys];
  const one = async () => {
    while (left.length) {
      const key = left.shift();
      const bytes = Uint8Array.from(atob(await fetched(key)), (letter) => letter.charCodeAt(0));
      buffers.set(key, await context.decodeAudioData(bytes.buffer));
      tell(buffers.size, keys.length);
    }
  };
  await Promise.all([one(), one(), one()]);
  return buffers;
}

function fetched(key) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const end = () => {
      waiting.delete(key);
      script.remove();
    };
    waiting.set(key, (text) => {
      end();
      resolve(text);
    });
    script.onerror = () => {
      end();
      reject(new Error(`audio/${key}.js cannot be loaded`));
    };
    script.src = `audio/${key}.js`;
    document.head.append(script);
  });
}
