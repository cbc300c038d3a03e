// What an order would do is shown before it is given.
import {difference} from './json.js'
import {action, command, deed, meanwhile, needs, options, password, sentence, title} from './orders.js'
import {alarm, barred, box, button, changed, copy, counted, dated, field, focus, h, number, readers, select, signs, state, typed, why} from './parts.js'
import {ask, newKey} from './request.js'
import {send} from './send.js'

/** @type {Record<string, Form>} */
const BEFORE = {pause: {end: '', new_records: 'queue', keep: 'latest', on_expiry: 'resume'}, resume: {release: 'all'}, sample: {mode: 'count', count: '1'}}

let opener = /** @type {Element | null} */ (null), waiting = 0, looked = 0

/** @param {Kind} kind @param {Ids} ids null: every flow @param {Form} [form] @param {Partial<Dialog>} [more] */
export function open(kind, ids, form = {}, more = {}) {
	const only = state.flows.get(ids?.length === 1 ? ids[0] : '')
	if (kind === 'pause' && only?.state === 'paused') kind = 'change'
	opener ??= document.activeElement
	changed({dialog: {kind, ids, form: {...BEFORE[kind], ...form}, key: newKey(), ...more}})
	look()
}

export function close() {
	const back = /** @type {HTMLElement | null} */ (opener)
	opener = null
	changed({dialog: null})
	focus('.cursor a, main button:enabled')
	if (back?.isConnected && back !== document.body) back.focus()
}

/** @param {Dialog} dialog */
export const question = ({kind, ids, form, letters}) => letters ? {...letters, ...(kind === 'edit' && {edit: form.edit}), ...(form.again && {again: true}), ...(form.reason && {because: form.reason})}
	: {action: action(kind), ...(ids === null ? {all: true} : {flows: ids}), options: options(kind, form, ids)}

/** Of more flows than the gate shows at once. @param {string[]} ids @returns {Preview} */
function many(ids) {
	const flows = ids.flatMap(id => state.flows.get(id) ?? []), held = flows.reduce((sum, flow) => sum + flow.held.total, 0)
	return {
		sentence: `This is for ${number(flows.length)} flows, which hold ${number(held)} events now.`, held, flows: flows.map(({flow_id, state, pause, held}) => ({flow_id, state, held: held.total, expect: {pause_id: pause?.id ?? null}})),
	}
}

export async function look() {
	const {dialog} = state
	if (!dialog || dialog.kind === 'keys') return
	const {ids, form, letters} = dialog, body = question(dialog), asked = (dialog.asked = JSON.stringify(body)), isOld = () => state.dialog !== dialog || dialog.asked !== asked
	looked = performance.now()
	dialog.changed = ''
	try {
		const answer = ids && ids.length > 1000 ? many(ids) : await ask(letters ? 'redrives' : 'previews', {body})
		if (isOld()) return
		Object.assign(dialog, {[letters ? 'redrive' : 'preview']: answer, seen: state.flows.get(ids?.length === 1 ? ids[0] : '') ?? null, problem: null})
		// A purge is of what was there when it was looked at.
		if (dialog.kind === 'purge') form.through ||= String(answer.flows[0].through_entry ?? '')
		dialog.asked = JSON.stringify(question(dialog))
	} catch (problem) {
		if (isOld()) return
		Object.assign(dialog, {problem, preview: null, redrive: null})
	}
	changed()
}

/** @param {string} name */
const put = name => (/** @type {string} */ value) => {
	const dialog = /** @type {Dialog} */ (state.dialog)
	dialog.form[name] = value
	if (name === 'until' || name === 'end') dialog.form[name === 'end' ? 'until' : 'end'] = ''
	// Another order has another id.
	dialog.key = newKey()
	if (dialog.asked !== JSON.stringify(question(dialog))) {
		clearTimeout(waiting)
		waiting = setTimeout(look, 250)
	}
	changed()
}

// While it is open others go on: it says what they have done, and keeps its numbers right.
readers.push(() => {
	const {dialog} = state, {seen} = dialog ?? {}
	if (!dialog || !seen || dialog.busy) return
	const flow = state.flows.get(seen.flow_id), said = meanwhile(seen, flow)
	if (said) dialog.changed = `Meanwhile: ${said}.`
	else if (!dialog.changed && flow?.held.total !== seen.held.total && performance.now() - looked > 2000 && dialog.kind !== 'purge') look()
})

/** @param {Dialog} dialog */
function fields({kind, form, ids}) {
	const line = (/** @type {string} */ label, /** @type {string} */ name, /** @type {Record<string, any>} */ more = {}) => field(label, {value: form[name], oninput: typed(put(name)), ...more})
	const radios = (/** @type {string} */ label, /** @type {string} */ name, /** @type {string[][]} */ choices) => h('fieldset', h('legend', label), choices.map(([key, words]) => h('label.tick', h('input', {type: 'radio', name, checked: (form[name] ?? '') === key, onchange: () => put(name)(key)}), words)))
	const ends = (/** @type {string[][]} */ ...choices) => h('div.filters', select('Ends by itself', form.until ? '' : (form.end ?? ''), choices, {onchange: typed(put('end'))}), line('or at', 'until', {type: 'datetime-local'}))
	const arrive = [['queue', 'hold them'], ['discard', 'turn them away']], held = 'deliver what is held', away = 'discard what is held', rate = {inputmode: 'decimal', placeholder: 'no limit'}
	switch (kind) {
		case 'pause': return [ends(['', 'after the longest pause, 14 days'], ['3600000', 'after 1 hour'], ['14400000', 'after 4 hours'], ['86400000', 'after 1 day'], ['259200000', 'after 3 days'], ['604800000', 'after 7 days']), radios('New records', 'new_records', arrive),
			h('details', h('summary', 'More'), radios('Of each record deliver', 'keep', [['latest', 'the newest event'], ['all', 'every event']]), radios('At its end', 'on_expiry', [['resume', held], ['discard', away]]), line('Events per second then', 'expiry_rate', rate))]
		case 'change': return [ends(['', 'as it does'], ['86400000', 'a day later'], ['259200000', 'three days later'], ['limit', 'at the limit']), radios('New records', 'new_records', [['', 'as it is'], ...arrive])]
		case 'resume': return [radios('What is held', 'release', [['all', held], ['none', away]]), h('div.filters', form.release !== 'none' && ids && ids.length <= 1000 && line(`Events per second${ids.length === 1 ? '' : ', all together'}`, 'rate', rate), line('Leave out what was held for longer than', 'age', {placeholder: 'such as 3d'}))]
		case 'sample': return [radios('Which', 'mode', [['count', 'the oldest'], ['records', 'named records']]), form.mode === 'records' ? line('Records, one a line', 'records', {rows: 4}) : line('How many', 'count', {inputmode: 'numeric'})]
		case 'edit': return line('Its value', 'edit', {rows: 8, dir: 'auto'})
		case 'accept_loss': return line('Events that may be lost', 'most', {inputmode: 'numeric'})
		case 'redrive': return box('Again what was redriven', !!form.again, on => put('again')(on ? '1' : ''))
		default: return null
	}
}

/** @param {Dialog} dialog */
function said(dialog) {
	const {kind, form, preview, redrive, seen, problem} = dialog, more = kind === 'purge' && seen ? (state.flows.get(seen.flow_id)?.queue.next_entry ?? 0) - 1 - Number(form.through) : 0
	if (redrive) return redrive.letters ? `${counted(redrive.letters, 'letter')} of ${counted(Object.keys(redrive.flows).length, 'flow')} become${redrive.letters === 1 ? 's' : ''} new events, behind what has come since.` : 'Nothing can be redriven.'
	return preview ? dated(signs(sentence(dialog))) + (more > 0 ? ` ${number(more)} more came since it was looked at: they stay.` : '') : !problem && 'Asking the gate what this would do…'
}

/** @param {Dialog} dialog */
function order(dialog) {
	const {kind, ids, form, letter, letters, redrive, preview, changed: news, problem, busy} = dialog, word = password(dialog), line = command(kind, ids, form, letters), no = barred(needs(dialog)), fresh = dialog.asked === JSON.stringify(question(dialog))
	const stop = no || (news && 'look at what has changed') || (!(letters ? redrive?.expect : preview) || !fresh ? 'it is being looked at' : word && form.confirm !== word && form.confirm !== signs(word) && `type ${signs(word)} first`) || ''
	const harms = (word && kind !== 'resume') || form.release === 'none'
	return [form.note && h('p.note', form.note), fields(dialog), field('Reason', {maxlength: 1000, placeholder: 'for whoever looks later', value: form.reason, oninput: typed(put('reason'))}),
		letter && difference(letter.value?.data ?? '', form.edit), h('p.preview', {class: fresh ? '' : 'quiet', 'data-testid': 'preview'}, said(dialog)),
		redrive && redrive.stopped > 0 && h('details', {open: true}, h('summary', `${counted(redrive.stopped, 'letter')} cannot be redriven`), redrive.obstacles.map(({item, detail}) => h('p', `${item}: ${signs(detail)}`))),
		h('p.line', h('code', {'data-testid': 'cli', tabindex: 0, role: 'region', label: 'The same as a command line'}, `$ ${line}`), button('Copy', () => copy(line), {class: 'plain'})),
		word && field(`Type ${signs(word)} to confirm`, {dir: 'auto', value: form.confirm, oninput: typed(put('confirm'))}), !!problem && alarm(signs(why(problem))),
		news && alarm(dated(signs(news)), ' ', button('Show what it would do now', () => {form.through = ''; look();})), no && h('p.note', `It cannot be ordered here: ${no}.`),
		h('div.ends', button('Cancel', close, {autofocus: true}), button(busy || deed(dialog), () => send(dialog), {'data-testid': 'confirm', class: harms ? 'danger' : 'main', disabled: !!stop || !!busy, title: stop}))]
}

const KEYS = [['j k', 'down, up'], ['x', 'tick'], ['Enter', 'open'], ['p', 'pause'], ['r', 'resume'], ['/', 'search'], ['Escape', 'close, clear, back'], ['?', 'this list']]

export function view() {
	const {dialog} = state
	return dialog && h('dialog', {key: dialog.kind, 'aria-labelledby': 'title', oncancel: event => {event.preventDefault(); if (!dialog.busy) close();}}, h('h2', {id: 'title'}, h('bdi', {dir: 'auto'}, title(dialog))),
		dialog.kind === 'keys' ? [KEYS.map(([key, what]) => h('p', h('kbd', key), ` ${what}`)), h('div.ends', button('Close', close, {autofocus: true}))] : order(dialog))
}
