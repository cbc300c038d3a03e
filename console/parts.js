// What views are made of.
import {now, speed} from './clock.js'
import {h, screen} from './draw.js'
import {drained} from './order.js'
import {changed, state, toggle} from './store.js'
import {countdown, counted, number, percent, span, told} from './text.js'

export {h}
export * from './route.js'
export * from './store.js'
export * from './text.js'

/** @param {unknown} label @param {() => unknown} onclick @param {Props} [props] */
export const button = (label, onclick, props) => h('button', {type: 'button', onclick, ...props}, label)

/** @param {unknown[]} text */
export const quiet = (...text) => h('span.quiet', ...text)

/** @param {unknown[]} kids */
export const alarm = (...kids) => h('p.trouble', {role: 'alert'}, ...kids)

/** @param {string} label @param {boolean} on @param {(on: boolean) => unknown} act @param {string} [name] */
export const box = (label, on, act, name) => h('label.tick', h('input', {type: 'checkbox', label: name, checked: on, onchange: ({target}) => act(target.checked)}), label)

/** @param {string} key @param {unknown} summary @param {() => unknown} body */
export const unfold = (key, summary, body) => h('details', {ontoggle: ({target}) => {if (target.open !== state.open.has(key)) toggle(state.open, key);}}, h('summary', summary), state.open.has(key) && body())

/** @param {string} selector */
export function focus(selector) {
	screen.draw();
	/** @type {HTMLElement | null} */ (document.querySelector(selector))?.focus()
}

/** @param {(value: string) => unknown} act @returns {(event: any) => unknown} */
export const typed = act => ({target}) => act(target.value)

/** @param {(values: Record<string, string>) => unknown} act @param {unknown[]} kids */
export const form = (act, ...kids) => h('form', {onsubmit: event => {event.preventDefault(); act(/** @type {any} */ (Object.fromEntries(new FormData(event.target))));}}, ...kids)

/** @param {string} label @param {Record<string, any>} props */
export const field = (label, props) => h('label.field', label, h(props.rows ? 'textarea' : 'input', {autocomplete: 'off', spellcheck: 'false', ...props, value: props.value ?? ''}))

/** @param {string} label @param {string} value @param {string[][]} choices @param {Record<string, any>} props */
export const select = (label, value, choices, props) => h('label.field', label, h('select', props, choices.map(([key, words]) => h('option', {key, value: key, selected: value === key}, words))))

/** @param {string} label @param {string[][]} links path, name, whether it is shown */
export const links = (label, links) => h('nav', {label: label}, links.map(([href, name, on]) => h('a', {href, 'aria-current': on ? 'page' : null}, name)))

/** Without TLS a page has no clipboard but the old one. @param {string} text */
export async function copy(text) {
	try {
		await navigator.clipboard.writeText(text)
	} catch {
		const area = Object.assign(document.createElement('textarea'), {value: text});
		(document.querySelector('dialog') ?? document.body).append(area)
		area.select()
		document.execCommand('copy')
		area.remove()
	}
	changed({said: 'Copied.'})
}

/** @param {string} name @param {unknown[]} documents */
export function save(name, documents) {
	const href = URL.createObjectURL(new Blob(documents.map(one => JSON.stringify(one) + '\n')))
	Object.assign(document.createElement('a'), {href, download: name.replace(/[^\w.-]+/g, '_')}).click()
	setTimeout(() => URL.revokeObjectURL(href), 10_000)
	changed({said: `${counted(documents.length, 'line')} saved.`})
}

/** Its queue topic was deleted by somebody. @param {Flow} flow */
export const isBlocked = ({held, queue}) => held.total > 0 && queue.watermark.offset >= 9007199254740991

/** @param {Flow} flow @param {string} [words] */
export function stateOf(flow, words) {
	const [is, sign] = isBlocked(flow) ? ['blocked', '⚠'] : {live: ['live', '●'], paused: ['paused', '■'], resuming: ['resuming', '▶']}[flow.state]
	const word = flow.indexing ? 'indexing' : is === 'resuming' && !words ? percent(progress(flow).part) : is
	return h('span.state', {class: is}, h('i', {'aria-hidden': 'true'}, sign), ' ', words ?? [word !== is && h('span.unseen', is), word])
}

/** @param {Flow} flow */
export const progress = flow => drained(flow, state.passed.get(flow.flow_id), state.began.get(flow.flow_id))

/** How long it lasts on. @param {Flow} flow */
export function due(flow) {
	if (flow.indexing) return `${number(flow.indexing.remaining_events)} to read`
	if (flow.state === 'resuming') {
		const {left} = progress(flow)
		return left === null ? '…' : left === Infinity ? 'as many arrive' : `about ${span(Math.max(1000, left * speed()))}`
	}
	const ms = Date.parse(flow.pause?.resumes_at ?? '') - now(), hours = ms / 3_600_000
	return flow.pause && h('span', {class: hours < 1 ? 'now' : hours < 24 ? 'soon' : '', title: flow.pause.resumes_at}, ms > 0 ? countdown(ms) : 'any moment')
}

/** @param {Flow} flow */
export const who = ({pause, drain}) => pause && (drain?.cause === 'timer' ? 'timer' : [told(pause.by), pause.by_all && quiet(' (all)'), pause.reason && [': ', told(pause.reason)]])
