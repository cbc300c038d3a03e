// What an order is: in a request, on a command line, in words. Nothing is sent or drawn here.
import {state} from './store.js'
import {DAY, counted, number, seconds, shell, signs, span} from './text.js'

/** @type {Record<Kind, string>} */
const NAMES = {pause: 'Pause', resume: 'Resume', change: 'Change the pause of', sample: 'Release a sample of', purge: 'Purge', accept_loss: 'Accept losses of', forget: 'Forget', redrive: 'Redrive', edit: 'Edit letter', keys: 'Keyboard'}

/** @param {Kind} kind */
export const action = kind => (kind === 'change' ? 'pause' : kind === 'sample' ? 'release' : kind)

/** @param {Form} form */
const records = ({records = ''}) => records.split('\n').filter(Boolean)

/** @param {Form} form @param {Ids} ids */
function end({end, until}, ids) {
	const pause = state.flows.get(ids?.length === 1 ? ids[0] : '')?.pause
	if (until) return new Date(until).toISOString()
	if (!end || !pause) return ''
	const limit = Date.parse(pause.paused_at) + 14 * DAY
	return new Date(end === 'limit' ? limit : Math.min(limit, Date.parse(pause.resumes_at) + Number(end))).toISOString()
}

/** The gate refuses what is none. @param {string} text */
const amount = text => text && (Number(text) || text)

/** What is not said stays as it is. @param {Kind} kind @param {Form} form @param {Ids} ids @returns {Record<string, any>} */
export function options(kind, form, ids) {
	const {new_records, keep, on_expiry} = form, none = form.release === 'none', named = form.mode === 'records'
	const given = {
		pause: {
			until: form.until && end(form, ids), for_seconds: Number(form.end) / 1000, new_records: new_records === 'discard' && new_records, keep: keep === 'all' && keep,
			on_expiry: on_expiry === 'discard' && on_expiry, expiry_rate: amount(form.expiry_rate),
		},
		change: {until: end(form, ids), new_records},
		resume: {release: none && 'none', max_rate: !none && amount(form.rate), max_age_seconds: form.age && (seconds(form.age) || form.age)},
		sample: {record_ids: named && records(form), count: !named && amount(form.count)},
		purge: {through_entry: Number(form.through)},
		accept_loss: {at_most: Number(form.most)},
	}[/** @type {'pause'} */ (kind)] ?? {}
	return Object.fromEntries(Object.entries(given).filter(([, value]) => value))
}

/** @type {Record<string, string>} */
const FLAGS = {for_seconds: 'for', max_rate: 'rate', max_age_seconds: 'max-age', record_ids: 'record', through_entry: 'through', items: 'item', at_most: 'accept-loss', flow_id: 'flow'}

/** @param {Record<string, any>} given */
const flags = given => Object.entries(given).flatMap(([name, value]) => [value].flat().filter(Boolean).map(one => {
	const length = one % 86_400 ? (one % 3600 ? `${one}s` : `${one / 3600}h`) : `${one / 86_400}d`
	return `--${FLAGS[name] ?? name.replaceAll('_', '-')} ${shell(name.endsWith('_seconds') ? length : String(one))}`
}))

/** @param {Kind} kind @param {Ids} ids @param {Form} form @param {Which} [letters] */
export function command(kind, ids, form, letters) {
	if (letters) {
		const {kind: of, ...which} = letters
		return ['flowgate redrive', of, ...flags({...which, edit: kind === 'edit' && 'mended.json', because: form.reason}), ...(form.again ? ['--again'] : [])].join(' ')
	}
	const names = (ids ?? []).map(shell), dashed = ids?.some(id => id.startsWith('-')), of = kind === 'accept_loss' ? 'flow' : action(kind)
	return ['flowgate', of, ...(ids === null ? ['--all'] : dashed ? [] : names), ...flags({...options(kind, form, ids), reason: form.reason}), ...(dashed ? ['--', ...names] : [])].join(' ')
}

/** @param {Dialog} dialog */
export function sentence({kind, ids, form, preview}) {
	if (!preview) return ''
	const {held, flows, oldest_held_at: oldest, eta_seconds: eta} = preview, events = counted(held, 'event')
	const whose = flows.length === 1 ? '' : ids === null ? ' of every flow that was paused with all' : ` of ${counted(flows.length, 'flow')}`
	switch (kind) {
		case 'pause': return `${ids === null ? preview.sentence.replace(/\d+/g, count => number(+count)) : flows.length === 1 ? `It holds ${events} now${flows[0].state ? '' : ', and is not known so far'}.` : `This pauses ${number(flows.length)} flows, which hold ${events} now.`} From then on nothing is delivered but withdraws, ${form.until ? 'until the time above' : `for ${form.end ? span(Number(form.end)) : '14 days, or what the gate allows'}`}; then what is held is ${form.on_expiry === 'discard' ? 'discarded' : 'delivered'} by itself.`
		case 'resume':
			if (form.release === 'none') return `${events}${whose} held now: discarded, not delivered, and kept for 90 days.`
			if (!held) return `Nothing is held: what arrives from then on is delivered as it comes.`
			return `${preview.exact ? '' : 'At most '}${events}${whose}${oldest ? `, the oldest held for ${span(Date.parse(preview.as_of ?? '') - Date.parse(oldest))},` : ''} leave ${eta ? `in about ${span(eta * 1000)}` : 'as fast as they go'}, in order; new ones wait behind them.${form.age ? ` What was held for longer than ${form.age} is discarded.` : ''}`
		case 'sample': return `${form.mode === 'records' ? `What is held of ${counted(records(form).length, 'record')}` : `${events}, from the oldest on,`} is delivered now; the flow stays paused. A sample cannot be called back.`
		case 'change': return `It stays paused${form.end || form.until ? `, and ends by itself at ${end(form, ids)}` : ''}. What is held stays held.`
		default: return preview.sentence
	}
}

/** @param {Dialog} dialog */
export const title = ({kind, ids, letters, letter}) =>
	`${NAMES[kind]} ${letter ? letter.item : letters ? counted(letters.items?.length ?? 0, 'letter').replace(/^0 /, '') : ids === null ? 'all flows' : ids.length === 1 ? signs(ids[0]) : ids.length ? counted(ids.length, 'flow') : ''}`

/** What the button says. @param {Dialog} dialog */
export function deed(dialog) {
	const {kind, ids, form, preview, redrive} = dialog, held = number(preview?.held ?? 0)
	switch (kind) {
		case 'pause': case 'forget': case 'accept_loss': return title(dialog)
		case 'resume': return form.release === 'none' ? `Discard ${held}` : `Resume ${preview?.held ? held : ids?.length === 1 ? signs(ids[0]) : 'all'}${form.rate ? ` at ${form.rate} per s` : ''}`
		case 'change': return 'Change the pause'
		case 'sample': return `Release ${form.mode === 'records' ? counted(records(form).length, 'record') : held}`
		case 'redrive': case 'edit': return `Redrive ${counted(redrive?.letters ?? 0, 'letter')}`
		default: return `${NAMES[kind]} ${held}`
	}
}

/** What has to be typed first. @param {Dialog} dialog */
export const password = ({kind, ids}) => (kind === 'purge' || kind === 'accept_loss' ? (ids?.[0] ?? '') : ids === null ? 'ALL' : '')

/** @param {Dialog} dialog @returns {Role} */
export const needs = ({kind, ids}) => (ids && ['pause', 'resume', 'change', 'sample'].includes(kind) ? 'operator' : 'admin')

/** What others have done to a flow. @param {Flow} before @param {Flow | undefined} after */
export function meanwhile(before, after) {
	const {state: is, pause} = after ?? {}, has = (/** @type {Flow | undefined} */ flow) => JSON.stringify([flow?.state, {...flow?.pause, warned_seconds: 0}])
	if (has(before) === has(after)) return ''
	return `${is === before.state ? 'its pause was changed' : `it was ${before.state}, and is ${is ?? 'not known'} now`}${is === 'paused' ? ` by ${pause?.by}${pause?.reason ? `: “${pause.reason}”` : ''}, until ${pause?.resumes_at}` : ''}`
}
