// @ts-check
import { Store } from './store.js';

/** Whether times are shown in UTC, and not in the zone of this browser. @type {Store<boolean>} */
export const isUtc = new Store(localStorage.getItem('zone') !== 'local');

export function toggleZone() {
  isUtc.set(!isUtc.value);
  localStorage.setItem('zone', isUtc.value ? 'utc' : 'local');
}

/** @param {number} number @param {number} length */
const padded = (number, length = 2) => String(number).padStart(length, '0');

/**
 * Writes a time as `2026-11-28 09:12:03.045`, in the chosen zone.
 * @param {string | number} at
 */
export function formatTime(at) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return String(at);
  const offsetMs = isUtc.value ? 0 : date.getTimezoneOffset() * 60_000;
  return new Date(date.getTime() - offsetMs).toISOString().slice(0, 23).replace('T', ' ');
}

/**
 * Writes the time of day as `09:12:03`.
 * @param {string | number} at
 */
export function formatClock(at) {
  return formatTime(at).slice(11, 19);
}

/** The name of the zone in which times are shown. */
export function zoneName() {
  if (isUtc.value) return 'UTC';
  const minutes = -new Date().getTimezoneOffset();
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? '−' : '+'}${padded(Math.floor(size / 60))}:${padded(size % 60)}`;
}

/**
 * Writes a duration as people say it: `850 ms`, `3.2 s`, `4 min`, `2 h 5 min`, `3 d 4 h`.
 * @param {number} ms
 */
export function formatDuration(ms) {
  const size = Math.abs(ms);
  if (size < 1_000) return `${Math.round(ms)} ms`;
  if (size < 60_000) return `${(ms / 1_000).toFixed(size < 10_000 ? 1 : 0)} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/**
 * Says how long ago a time was.
 * @param {string | number} at
 */
export function formatAge(at) {
  const ms = Date.now() - new Date(at).getTime();
  return ms < 0 ? `in ${formatDuration(-ms)}` : `${formatDuration(ms)} ago`;
}
