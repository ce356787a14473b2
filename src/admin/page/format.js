// How numbers, moments and JSON are written for people.

const WHOLE = new Intl.NumberFormat('en');
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const NONE = '–';

/** 1,234 below ten thousand, then 12.3K. */
export function count(value) {
  if (value === null || value === undefined) return NONE;
  return Math.abs(value) < 10_000 ? WHOLE.format(Math.round(value)) : SHORT.format(value);
}

/** A count to its last digit. */
export function exact(value) {
  return value === null || value === undefined ? NONE : WHOLE.format(value);
}

/** One or many of something. */
export function many(value, one, more = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : more}`;
}

export function bytes(value) {
  if (value === null || value === undefined) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function rate(value) {
  if (value === null || value === undefined) return NONE;
  return `${value > 0 && value < 10 ? value.toFixed(1) : count(value)}/s`;
}

/** The largest units of a duration in seconds. */
export function duration(seconds, unitCount = 2) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  if (seconds < 1) return '<1 s';
  const units = [['d', 86_400], ['h', 3_600], ['min', 60], ['s', 1]];
  const first = units.findIndex(([, length]) => seconds >= length);
  const shown = [];
  for (const [name, length] of units.slice(first, first + unitCount)) {
    const whole = Math.floor(seconds / length);
    seconds -= whole * length;
    if (whole > 0) shown.push(`${whole} ${name}`);
  }
  return shown.join(' ');
}

/** Seconds from a moment of the API to `now` (milliseconds). */
export function secondsSince(moment, now) {
  return moment ? Math.max(0, (now - Date.parse(moment)) / 1000) : null;
}

/** How old something of that moment is, for a column of ages. */
export function age(moment, now) {
  return duration(secondsSince(moment, now), 1);
}

/** How long ago a moment is. */
export function ago(moment, now) {
  return moment ? `${duration(secondsSince(moment, now))} ago` : 'never';
}

/** When a moment to come is. */
export function until(moment, now) {
  const seconds = (Date.parse(moment) - now) / 1000;
  return seconds < 1 ? 'now' : `in ${duration(seconds)}`;
}

/** The time of day here, to the millisecond. */
export function clock(moment) {
  const at = new Date(moment);
  const two = (value) => String(value).padStart(2, '0');
  const ms = String(at.getMilliseconds()).padStart(3, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

/** A moment to the second, and how long ago that is. */
export function stamp(text, now) {
  return `${text.slice(0, 19).replace('T', ' ')} UTC, ${ago(text, now)}`;
}

/** Enough of a chunk's id to tell it from its neighbours: its time to some milliseconds, and its number. */
export function shortId(id) {
  return id.length === 32 ? `${id.slice(4, 12)}…${id.slice(-4)}` : id;
}

/** A chunk's key in a line. */
export function keyText(key) {
  const parts = [];
  if (key?.tag !== null && key?.tag !== undefined) parts.push(key.tag);
  if (key?.window) parts.push(windowText(key.window));
  for (const { path, value } of key?.fields ?? []) parts.push(`${path}=${pretty(value, 0)}`);
  return parts.join(' · ') || 'everything';
}

function windowText({ start, len_s }) {
  const at = new Date(start);
  const day = at.toDateString() === new Date().toDateString() ? '' : `${start.slice(0, 10)} `;
  return `${day}${clock(start).slice(0, 5)} +${duration(len_s)}`;
}

/** A state in words. */
export function words(state) {
  return String(state).replaceAll('_', ' ');
}

/**
 * Reads JSON without changing a number in it: what a double cannot hold, or writes in another way (a large id, `1.0`),
 * keeps its digits as they came, where the browser can do that. Such a number is an object that can only be written.
 */
export function parse(text) {
  if (!JSON.rawJSON) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) => {
    const isOther = typeof value === 'number' && context?.source !== undefined && String(value) !== context.source;
    return isOther ? JSON.rawJSON(context.source) : value;
  });
}

/** Writes what {@link parse} has read. */
export function pretty(value, indent = 2) {
  return JSON.stringify(value, null, indent) ?? '';
}
