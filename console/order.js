// Which flows are listed, in which order, and how far a drain is.
import {both} from './text.js'

/** @param {string} a @param {string} b */
const text = (a, b) => (a < b ? -1 : a > b ? 1 : 0)

const RANK = {resuming: 0, paused: 1, live: 2}
/** @param {Flow} flow */
const end = ({state, pause}) => (state === 'paused' && pause ? pause.resumes_at : '~')

/** @type {Record<string, (a: Flow, b: Flow) => number>} */
const ORDERS = {
	held: (a, b) => b.held.total - a.held.total || RANK[a.state] - RANK[b.state],
	deadline: (a, b) => text(end(a), end(b)) || RANK[a.state] - RANK[b.state],
	id: () => 0,
}

/** @param {Iterable<Flow>} flows @param {string} part @param {string[]} states @param {string} sort */
export function listed(flows, part, states, sort) {
	const sought = part.toLowerCase(), order = ORDERS[sort] ?? ORDERS.held
	return [...flows].filter(flow => (!states.length || states.includes(flow.state)) && (!sought || flow.flow_id.toLowerCase().includes(sought)))
		.sort((a, b) => order(a, b) || text(a.flow_id, b.flow_id))
}

/** How many events have passed. @param {Counts} counts */
export const passed = ({released, replaced, removed, lost}) => [released, replaced, removed, lost].reduce((sum, kinds) => sum + both(kinds), 0)

/** How much a drain has passed, how fast, and how many ms are left; null: not known. @param {Flow} flow @param {Passed[]} [seen] @param {number} [from] so many had passed at its begin */
export function drained({counts, at_pause, drain, held: {total}}, seen = [], from = passed(at_pause)) {
	const done = passed(counts) - from, part = done + total ? done / (done + total) : 1, first = seen[0], last = seen.at(-1)
	if (!first || !last || last.at - first.at < 500) return {part, rate: null, left: null}
	const seconds = (last.at - first.at) / 1000, rate = Math.min((last.passed - first.passed) / seconds, drain?.max_rate ?? Infinity), less = (first.held - last.held) / seconds
	// What arrives meanwhile goes behind: the end comes nearer only by what is held less.
	return {part, rate, left: less > 0 ? (total / less) * 1000 : rate > 0 ? Infinity : null}
}
