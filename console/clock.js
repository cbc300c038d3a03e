// The gate's clock, as its answers tell it. That of a demo goes faster than the time of day.

/** @type {{ local: number, server: number }[]} */
let heard = [];
let rate = 1, offset = Date.now() - performance.now();

/** Whether it is later than any before. @param {string | undefined} time */
export function hear(time) {
	const server = Date.parse(time ?? ''), local = performance.now();
	if (!(server > (heard.at(-1)?.server ?? 0))) return false;
	heard = [...heard.filter(sample => local - sample.local < 30_000), {local, server}];
	const first = heard[0], slope = (server - first.server) / (local - first.local);
	rate = local - first.local > 1000 && slope > 60 ? slope : 1;
	// What an answer tells is a moment old, some more than others, so the newest is right.
	offset = Math.max(...heard.map(sample => sample.server - rate * sample.local));
	return true;
}

/** In milliseconds since 1970. */
export const now = () => rate * performance.now() + offset;
/** How much faster than the time of day it goes. */
export const speed = () => rate;
