// The gate's clock, as its answers tell it. That of a demo goes faster than the time of day.

let rate = 1, offset = Date.now() - performance.now(), last = 0

/** Whether it is later than any before. @param {string} time */
export function hear(time) {
	const server = Date.parse(time)
	if (!(server > last)) return false
	// What an answer tells is a moment old, some more than others: who told of the latest is right, unless the clock was set.
	const told = server - rate * performance.now()
	if (!last || told > offset || offset - told > 5000 * rate) offset = told
	last = server
	return true
}

/** @param {NonNullable<Who['clock']>} clock */
export function set({now, per_second}) {
	if (rate !== per_second) last = 0
	rate = per_second
	hear(now)
}

/** In milliseconds since 1970. */
export const now = () => rate * performance.now() + offset
/** How much faster than the time of day it goes. */
export const speed = () => rate
