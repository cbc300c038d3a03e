// Every request that the page makes.

/** A problem document of the gate, or why there was no answer. */
export class Problem extends Error {
	/** @param {number} status 0: there was no answer @param {Record<string, any>} body */
	constructor(status, body) {
		super(body.detail ?? `No gate answered: ${status}`)
		this.status = status
		this.kind = String(body.type ?? '').split(':').at(-1) ?? ''
		this.body = body
	}
}

/** Ends once whoever sits here has logged in. */
export const login = {wanted: /** @type {() => Promise<void>} */ (async () => {})}

/** @param {number} ms */
export const sleep = ms => new Promise(done => setTimeout(done, ms))

/** @param {string} path @param {Options} options @returns {Promise<Response>} */
async function reach(path, {method, body, key, signal, accept = 'application/json', last, patience = 40_000}) {
	const given = {accept, 'content-type': body && 'application/json', 'idempotency-key': key, 'last-event-id': last}
	const headers = /** @type {[string, string][]} */ (Object.entries(given).filter(([, value]) => value))
	const signals = [signal, patience && AbortSignal.timeout(patience)].filter(one => one instanceof AbortSignal)
	try {
		return await fetch(`/api/v1/${path}`, {method: method ?? (body ? 'POST' : 'GET'), headers, cache: 'no-store', signal: AbortSignal.any(signals), body: body ? JSON.stringify(body) : undefined})
	} catch (error) {
		if (signal?.aborted) throw error
		throw new Problem(0, {detail: 'The gate does not answer; the page comes back by itself.'})
	}
}

/** Asks again where that is worth it. @param {string} path @param {Options} options */
async function open(path, options) {
	for (let tries = 0; ; tries++) {
		const response = await reach(path, options)
		if (response.ok) return response
		const problem = new Problem(response.status, await response.json().catch(() => ({}))), after = Number(response.headers.get('retry-after'))
		if (problem.status === 401 && path !== 'session') await login.wanted()
		else if (after && tries < 8 && ['too-many', 'overloaded'].includes(problem.kind)) await sleep(after * 1000)
		else throw problem
		options.signal?.throwIfAborted()
	}
}

/** What reads topics; the gate does two of them at a time for each who asks. */
const READS = /^(audit|letters|redrives|commands\/)|\/(queue|depth)/
const waiting = /** @type {(() => void)[]} */ ([])
let reads = 0

/** @param {string} path @param {Options} [options] @returns {Promise<any>} */
export async function ask(path, options = {}) {
	const isRead = READS.test(path)
	if (isRead && reads++ > 1) await new Promise(done => waiting.push(() => done(0)))
	try {
		const response = await open(path, options)
		return response.status === 204 ? null : await response.json()
	} finally {
		// The newest goes first: the others may be of no use any more.
		if (isRead && --reads > 1) waiting.pop()?.()
	}
}

/** Ids that others take for more than a part of a path stand in a parameter. @param {string} id @param {string} rest @param {Record<string, string>} [query] */
export function ofFlow(id, rest, query = {}) {
	const plain = /^[\w-]+$/.test(id), all = new URLSearchParams(plain ? query : {...query, flow: id})
	return `flows/${plain ? id : '*'}${rest}${all.size ? `?${all}` : ''}`
}

export const newKey = () => 'console-' + [...crypto.getRandomValues(new Uint8Array(12))].map(byte => byte.toString(16).padStart(2, '0')).join('')

/** @param {Response} response @param {string} between @param {(piece: string) => void} each */
async function pieces(response, between, each) {
	const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader(), decoder = new TextDecoder()
	for (let rest = ''; ; ) {
		// The gate says something every 15 seconds, if only that nothing is new.
		const timer = setTimeout(() => reader.cancel().catch(() => {}), 20_000), {done, value} = await reader.read()
		clearTimeout(timer)
		if (done) return
		const all = (rest + decoder.decode(value, {stream: true})).split(between)
		rest = /** @type {string} */ (all.pop())
		all.forEach(each)
	}
}

/** A document a line. @param {string} path @param {(document: any) => void} each */
export const lines = async (path, each) => pieces(await open(path, {accept: 'application/x-ndjson', patience: 0}), '\n', line => line && each(JSON.parse(line)))

/** What is new, until that ends. @param {string} last event @param {AbortSignal} signal @param {(name: string, data: any, id: string) => void} each */
export async function follow(last, signal, each) {
	const response = await open('events', {accept: 'text/event-stream', patience: 0, last, signal})
	// Nothing may come before something is new.
	each('', null, '')
	await pieces(response, '\n\n', piece => {
		const {event = '', data, id = ''} = Object.fromEntries(piece.split('\n').map(line => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 1).trim()]))
		each(event, data ? JSON.parse(data) : null, id)
	})
}
