// What the page knows, fed by the event stream. Whoever changes it calls `changed`.
import {hear, set, speed} from './clock.js'
import {Problem, ask, follow, lines, login, ofFlow, sleep} from './request.js'
import {passed} from './order.js'
import {why} from './text.js'

/** Of so many flows all are listed. */
const MOST = 20_000

/** @returns {Pages<any>} */
export const noPages = (path = '') => ({path, items: [], scanned: 0, total: 0, next: null, busy: false, problem: null, run: 0})

/** @type {State} */
export const state = {
	who: null, login: null, flows: new Map(), rev: 0, known: 0, counts: {paused: 0, resuming: 0, live: 0}, byAll: 0,
	loaded: false, partial: false, reading: null, trouble: '', streaming: false, fresh: performance.now(), last: '', newer: '',
	marks: new Map(), passed: new Map(), began: new Map(), route: {view: 'flows', id: '', tab: '', query: new URLSearchParams()},
	utc: false, theme: 'system', cursor: '', selected: new Set(), dialog: null, notices: [], said: '',
	held: noPages(), audit: noPages(), letters: noPages(), ticked: new Set(), open: new Set(), depth: {id: '', points: [], at: 0, held: 0, problem: null},
}

/** Called when the state has changed; with an event of the audit, and with null where some were missed. */
export const readers = /** @type {(() => void)[]} */ ([]), auditors = /** @type {((event: AuditEvent | null) => void)[]} */ ([])

/** @param {Partial<State>} [parts] */
export function changed(parts) {
	Object.assign(state, parts)
	for (const reader of readers) reader()
}

/** @param {Set<string>} set of the state @param {string} key */
export function toggle(set, key) {
	if (!set.delete(key)) set.add(key)
	changed()
}

/** Why they may not do it; empty: they may. @param {Role} needs */
export function barred(needs) {
	const {who} = state, roles = ['viewer', 'operator', 'admin']
	if (who?.read_only) return 'this gate takes no commands over HTTP (http_read_only)'
	return who && roles.indexOf(who.role) >= roles.indexOf(needs) ? '' : `it takes the role ${needs}`
}

/** How old what is shown is, in ms; 0: new. */
export function stale() {
	const age = performance.now() - state.fresh
	return age > (state.streaming ? 6000 : 1500) ? age : 0
}

/** @param {string} time up to which an answer knew everything */
function upTo(time) {
	if (hear(time) && state.streaming) state.fresh = performance.now()
}

/** @param {Flow} flow @param {number} by */
function count({state: is, pause}, by) {
	state.counts[is] += by
	if (pause?.by_all) state.byAll += by
}

/** @param {Flow} flow as it is now */
function put(flow) {
	const id = flow.flow_id, old = state.flows.get(id)
	if (old && old.as_of > flow.as_of) return
	state.flows.set(id, flow)
	state.rev++
	if (old) count(old, -1)
	count(flow, 1)
	state.known = Math.max(state.known, state.flows.size)
	if (old && (old.state !== flow.state || old.pause?.id !== flow.pause?.id || old.pause?.resumes_at !== flow.pause?.resumes_at)) state.marks.set(id, performance.now())
	if (flow.state === 'resuming') {
		if (old?.state === 'paused') state.began.set(id, passed(old.counts))
		// By when it was so, not told.
		const at = Date.parse(flow.updated_at) / speed()
		state.passed.set(id, [...(state.passed.get(id) ?? []).filter(one => at - one.at < 8000), {at, passed: passed(flow.counts), held: flow.held.total}])
	} else state.passed.delete(id)
	upTo(flow.as_of)
}

/** @param {string} id */
function gone(id) {
	const old = state.flows.get(id)
	if (!old) return
	state.flows.delete(id)
	state.selected.delete(id)
	count(old, -1)
	state.known--
	state.rev++
}

let loading = 0

async function load() {
	for (const mine = ++loading; mine === loading; await sleep(1000)) {
		try {
			const {known} = await ask('flows?limit=1'), partial = known > MOST, seen = new Set()
			for (const part of partial ? ['?state=paused', '?state=resuming'] : [''])
				await lines('flows' + part, flow => {
					seen.add(flow.flow_id)
					put(flow)
					if (seen.size % 500 === 0) changed()
				})
			// What was known before, and is not any more, went while nobody listened.
			if (state.loaded && !partial) [...state.flows.keys()].filter(id => !seen.has(id)).forEach(gone)
			return changed({loaded: true, partial, known, reading: null, trouble: ''})
		} catch (problem) {
			changed({reading: problem instanceof Problem && problem.kind === 'still-reading' ? /** @type {any} */ (problem.body) : null, trouble: why(problem)})
		}
	}
}

/** Brings flows that are not listed. @param {string} match */
export async function search(match) {
	if (!state.partial || !match) return;
	(await ask(`flows?${new URLSearchParams({match, limit: '1000'})}`)).flows.forEach(put)
	changed()
}

/** @param {string} name @param {any} data @param {string} id */
function event(name, data, id) {
	if (id) state.last = id
	if (!state.streaming) Object.assign(state, {streaming: true, fresh: performance.now()})
	if (!state.loaded && !loading) load()
	if (name === 'flow') put(data)
	if (name === 'flow-gone') gone(data.flow_id)
	if (name === 'audit') auditors.forEach(auditor => auditor(data))
	if (name === 'resync') {
		load()
		auditors.forEach(auditor => auditor(null))
	}
	changed()
}

/** Asks how late it is, and for what no event tells: how far an index is. */
async function beat() {
	if (document.hidden || !state.loaded || state.login !== null) return
	const {view, id} = state.route, shown = view === 'flow' ? state.flows.get(id) : undefined
	try {
		const answer = await ask('flows?state=resuming&sort=held&limit=20', {patience: 4000})
		answer.flows.forEach(put)
		if (shown) put(await ask(ofFlow(id, ''), {patience: 4000}))
		upTo(answer.as_of)
		state.known = answer.known
		state.trouble = ''
	} catch (problem) {
		state.trouble = why(problem)
	}
	changed()
}

export async function run() {
	let cut = new AbortController(), timer = 0, wake = () => {}, version = ''
	setInterval(changed, 1000)
	setInterval(beat, 2000)
	document.addEventListener('visibilitychange', () => {
		clearTimeout(timer)
		// A browser has few connections.
		if (document.hidden) timer = setTimeout(() => cut.abort(), 4000)
		else wake()
		beat()
	})
	for (let wait = 100; ; wait = Math.min(3000, wait * 2)) {
		if (document.hidden) await new Promise(done => (wake = () => done(0)))
		try {
			const asked = performance.now(), who = /** @type {Who} */ (await ask('whoami'))
			if (who.clock && performance.now() - asked < 2000) set(who.clock)
			if (version && who.version !== version) state.newer = who.version ?? ''
			version ||= who.version ?? ''
			changed({who})
			cut = new AbortController()
			await follow(state.last, cut.signal, (...told) => {
				wait = 50
				event(...told)
			})
		} catch (problem) {
			if (!document.hidden) state.trouble = why(problem)
		}
		changed({streaming: false})
		await sleep(wait)
	}
}

let asking = /** @type {Promise<void> | null} */ (null), letIn = () => {}

login.wanted = () => {
	// Whoever was not in before has done nothing wrong.
	changed({login: state.loaded ? 'The session has ended. What was typed is kept.' : ''})
	return (asking ??= new Promise(done => (letIn = done)))
}

/** @param {string} token */
export async function logIn(token) {
	try {
		changed({who: await ask('session', {body: {token}}), login: null})
		asking = null
		letIn()
	} catch (problem) {
		changed({login: why(problem)})
	}
}

/** Nothing of it stays on the screen. */
export const logOut = () => ask('session', {method: 'DELETE'}).catch(() => {}).then(() => location.reload())
