// One flow: its state in words, what became of its events, and what can be done.
import * as audit from './audit.js'
import * as held from './held.js'
import * as letters from './letters.js'
import {now} from './clock.js'
import {open} from './dialog.js'
import {fold} from './json.js'
import {both, button, changed, counted, DAY, due, flowLink, h, isBlocked, links, number, percent, progress, quiet, search, signs, state, stateOf, time, told} from './parts.js'
import {ask, ofFlow} from './request.js'

const WIDTH = 320, HEIGHT = 72
let sought = ''

/** Many places of a topic are read for it, so seldom. */
export async function load() {
	const {view, id} = state.route, {depth} = state, same = depth.id === id, at = performance.now(), held = state.flows.get(id)?.held.total
	// It may be one of too many to be listed.
	if (view === 'flow' && state.partial && !held && sought !== id) search((sought = id))
	if (view !== 'flow' || !held || (same && (at - depth.at < 15_000 || depth.held === held))) return
	const mine = (state.depth = {id, points: same ? depth.points : [], at, held, problem: null})
	await ask(ofFlow(id, '/depth', {points: '24'})).then(({points}) => Object.assign(mine, {points}), problem => Object.assign(mine, {problem}))
	changed()
}

/** @param {Flow} flow */
function depth({flow_id, held: {total}}) {
	const {id, points: read, problem} = state.depth
	if (!total) return
	if (id !== flow_id || !read.length) return h('p.depth.quiet', problem ? 'Its growth is not known.' : 'Its growth is being read…')
	// What is held now its state says, and that is newer.
	const points = [...read.map(({at, depth}) => [Date.parse(at), depth]), [now(), total]], [first] = points[0], most = Math.max(...points.map(([, depth]) => depth))
	const line = points.map(([at, depth]) => `${(((at - first) / (now() - first)) * WIDTH).toFixed(1)},${(HEIGHT - (depth / most) * (HEIGHT - 2)).toFixed(1)}`).join(' ')
	return h('figure.depth', h('svg', {role: 'img', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', label: `Queue depth: ${number(total)} now, ${number(most)} at most`}, h('polygon', {points: `0,${HEIGHT} ${line} ${WIDTH},${HEIGHT}`}), h('polyline', {points: line})),
		h('figcaption', time(read[0].at), h('span', `at most ${number(most)}`), h('span', `now ${number(total)}`)))
}

/** @param {Flow} flow */
function words(flow) {
	const {pause, drain} = flow
	if (!pause) return [h('b', stateOf(flow, 'Live')), ': its events are delivered as they come.']
	const by = [time(pause.paused_at), ' by ', told(pause.by), pause.by_all && ', with every flow', pause.reason && [': “', told(pause.reason), '”']]
	if (flow.state === 'paused') return [h('b', stateOf(flow, 'Paused')), ' since ', by]
	const {part, rate} = progress(flow)
	return [h('b', stateOf(flow, 'Resuming')), drain?.cause === 'timer' ? ' by itself' : ' by a command', '; paused ', by, h('span.drain', h('progress', {label: 'Drained', max: 100, value: Math.floor(part * 100)}), ` ${percent(part)} has passed`,
		rate !== null && ` · ${number(Math.round(rate))} per s`, drain?.max_rate && ` of ${number(drain.max_rate)} allowed`, ' · ', due(flow), flow.indexing ? ', for what is replaced to be known' : ' left')]
}

/** @param {Flow} flow @param {Pause} pause */
function proof({counts, at_pause, withdrawn, sample, queue}, pause) {
	const sampled = both(counts.released) - both(at_pause.released)
	return [h('p', {'data-testid': 'proof'}, h('i.good', {'aria-hidden': 'true'}, '✔'), ' Nothing has been delivered since ', time(pause.paused_at), sampled > 0 && `, but ${counted(sampled, 'event')} that somebody let through`, withdrawn > 0 && quiet(` (withdraws always pass: ${number(withdrawn)} in all its pauses)`)),
		sample && h('p', h('b', 'A sample is under way: '), sample.record_ids ? counted(sample.record_ids.length, 'record') : `${number(sample.left ?? 0)} left`), queue.purge_through && h('p', h('b', 'A purge is under way'), `, up to entry ${number(queue.purge_through.entry)}`)]
}

/** @param {Flow} flow */
function sums({counts, held: {total, enroll, advance}}) {
	const fates = ['released', 'replaced', 'removed', 'lost'].map(name => [name, both(counts[/** @type {'lost'} */ (name)])]).filter(([name, count]) => name !== 'lost' || count)
	const all = both(counts.queued), away = both(counts.turned_away), sum = fates.reduce((sum, [, count]) => sum + +count, total)
	return h('div', {'data-testid': 'sums'}, h('p', 'held ', h('b', number(total)), ` = ${number(enroll)} enroll + ${number(advance)} advance`),
		h('p', 'queued ', h('b', number(all)), ` = held ${number(total)}${fates.map(([name, count]) => ` + ${name} ${number(+count)}`).join('')} `, sum !== all && h('b.now', '⚠ does not add up')),
		h('p', 'came while it was not live ', h('b', number(all + away)), ` = queued ${number(all)} + turned away ${number(away)}`))
}

/** @param {Pause} pause */
const settings = ({new_records, resumes_at, keep, on_expiry, expiry_rate}) => h('p.quiet', `New records are ${new_records === 'queue' ? 'held' : 'turned away'}. At its end, `, time(resumes_at, true), `, ${on_expiry === 'discard' ? 'what is held is discarded' : keep === 'latest' ? 'the newest events of each record are delivered' : 'all that is held is delivered'}${expiry_rate ? `, at ${number(expiry_rate)} per s` : ''}.`)

/** @param {string} id @param {Flow} [flow] */
function actions(id, flow) {
	const act = (/** @type {string} */ label, /** @type {Kind} */ kind, is = '', form = {}) => button(label, () => open(kind, [id], form), {class: is}), paused = flow?.state === 'paused'
	return h('div.actions', {role: 'toolbar', label: 'Actions'}, flow?.pause && act(paused ? 'Resume…' : 'Change rate…', 'resume', 'main'),
		paused ? [act('Sample…', 'sample'), act('Change…', 'change'), h('span.together', act('+1 day', 'change', '', {end: `${DAY}`}), act('+3 days', 'change', '', {end: `${3 * DAY}`}), act('To the limit', 'change', '', {end: 'limit'}))] : act('Pause…', 'pause', flow?.state === 'live' ? 'main' : ''), h('span.gap'),
		paused && act('Purge…', 'purge', 'danger'), flow?.state === 'live' && !flow.queue.n && act('Forget…', 'forget', 'plain'))
}

/** @type {Record<string, [string, (flow: Flow) => unknown]>} */
const TABS = {
	held: ['Held', held.view], audit: ['Audit', audit.view], discarded: ['Discarded', letters.view], dead: ['Dead letters', letters.view],
	json: ['JSON', flow => fold(flow)],
}

export function view() {
	const {id, tab} = state.route, flow = state.flows.get(id), {loaded} = state, head = [h('p', h('a', {href: '#/'}, '← All flows')), h('h1', h('bdi', {dir: 'auto'}, signs(id)))]
	if (!flow) return h('main.page', head, h('p', {role: 'status'}, loaded ? 'No such flow is known.' : 'Asking the gate for it…'), loaded && actions(id))
	const {pause} = flow, paused = flow.state === 'paused' && pause, [name, panel] = TABS[tab] ?? TABS.held
	return h('main.page', {key: id}, head, h('div.summary', h('div', h('p.words', {'data-testid': 'state'}, words(flow)), paused && proof(flow, pause), sums(flow), paused && settings(pause),
			isBlocked(flow) && held.lost(flow, 1)),
			h('div', paused && h('p.clock', 'resumes in ', due(flow)), depth(flow))),
		actions(id, flow), links('About this flow', Object.entries(TABS).map(([to, [label]]) => [flowLink(id, to), label, label === name ? '1' : ''])), h('section', {key: name, label: name}, panel(flow)))
}
