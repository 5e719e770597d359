// How names, numbers and times are written here.

const ABBREVIATIONS = { npc: 'NPC', Npc: 'NPC' };

/** `characterContent` as `Character content`, `QUEST_GIVER` as `Quest giver`. */
export function spoken(name) {
  if (name in ABBREVIATIONS) return ABBREVIATIONS[name];
  const words =
    name.includes('_') || name === name.toUpperCase()
      ? name.toLowerCase().replaceAll('_', ' ')
      : name.replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function plural(count, noun) {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`;
}

export function number(value) {
  return value.toLocaleString('en', { maximumFractionDigits: 2 });
}

/** US dollars, with enough places to tell the price of one text. */
export function dollars(value) {
  if (value === 0) return '$0';
  return `$${value.toFixed(value < 0.01 ? 5 : value < 1 ? 4 : 2)}`;
}

export function milliseconds(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** A number of seconds to wait, never less than is meant. */
export function seconds(value) {
  const whole = Math.max(0, Math.ceil(value));
  return whole < 120 ? `${whole} s` : `${Math.ceil(whole / 60)} min`;
}

export function secondsUntil(iso) {
  return Math.max(0, (Date.parse(iso) - Date.now()) / 1000);
}

export function clock(iso = new Date().toISOString()) {
  return new Date(iso).toLocaleTimeString('en-GB');
}

export function day(iso) {
  return new Date(iso).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
  });
}

/** A moment by the clock where it is of today, else by its day. */
export function moment(iso) {
  const isToday = new Date(iso).toDateString() === new Date().toDateString();
  return isToday ? clock(iso) : day(iso);
}

/** The end of an opaque name: its beginning is the same for all of a kind. */
export function tail(name, characters = 10) {
  return name.length > characters ? `…${name.slice(-characters)}` : name;
}

export function excerpt(text, characters = 140) {
  const flat = text.replace(/\s+/g, ' ').trim();
  return flat.length > characters
    ? `${flat.slice(0, characters).replace(/[.,;:]?\s\S*$/, '')}…`
    : flat;
}

export function wordCount(text) {
  return text.split(/\s+/).filter(Boolean).length;
}
