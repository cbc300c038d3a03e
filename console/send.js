// Gives orders, tells what became of them, and how they are taken back.
import {now} from './clock.js'
import {close, look, open, question} from './dialog.js'
import {action, options} from './orders.js'
import {Problem, ask, newKey, sleep} from './request.js'
import {changed, state} from './store.js'
import {counted, dated, number, signs, why} from './text.js'

/** Of one request. */
const MANY = 200, BYTES = 50_000

let notices = 0

/** @param {string} text @param {Partial<Notice>} [more] */
function tell(text, more = {}) {
	const notice = {text: dated(text), bad: false, details: [], undo: null, ...more, key: ++notices}
	changed({notices: [...state.notices.slice(-3), notice], said: notice.text})
	if (!notice.bad) setTimeout(dismiss, notice.undo ? 120_000 : 15_000, notice.key)
	return notice.key
}

/** @param {number} key */
export const dismiss = key => changed({notices: state.notices.filter(notice => notice.key !== key)})

/** @param {Dialog} dialog */
export async function send(dialog) {
	Object.assign(dialog, {busy: 'Sending…', problem: null})
	changed()
	try {
		await (dialog.letters ? redrive(dialog) : order(dialog))
	} catch (problem) {
		failed(dialog, problem)
	}
	dialog.busy = ''
	changed()
}

/** @param {Dialog} dialog @param {unknown} problem */
function failed(dialog, problem) {
	dialog.problem = problem
	// Where there was no answer, it is sent again under the same id, and applied once.
	if (!(problem instanceof Problem) || problem.status < 400 || problem.status > 499) return
	dialog.key = newKey()
	if (problem.kind === 'preview-required') look()
}

/** @param {string} time */
const local = time => new Date(Date.parse(time) - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, 19)

/** @param {Dialog} dialog */
function done(dialog) {
	if (state.dialog === dialog) close()
	changed({selected: new Set(), ticked: new Set()})
}

/** Tells an answer, once there is one. @param {Answer} answer @param {Dialog} dialog @param {Flow} [before] */
async function told({command_id: id, flow_id: flow, outcome, detail}, dialog, before) {
	const name = flow === '*' ? 'every flow' : signs(flow)
	if (!outcome) {
		const key = tell(`${name}: stored, and not answered so far. The next gate that is up applies it.`, {bad: true})
		for (let found; !outcome; ({outcome = null, detail = ''} = found ?? {})) {
			await sleep(3000)
			found = await ask(`commands/*?${new URLSearchParams({id, flow})}`).catch(() => null)
		}
		dismiss(key)
	}
	// Of a command for every flow each partition has a line.
	const [first, ...details] = detail.split('\n').map(signs)
	tell(`${name}: ${first}`, {bad: outcome === 'rejected', details, undo: outcome === 'applied' ? undo(dialog, id, before) : null})
}

/** @param {Dialog} dialog */
async function order(dialog) {
	const {kind, ids, form, preview, key} = dialog, of = {action: action(kind), ...options(kind, form, ids), ...(form.reason && {reason: form.reason})}, flows = preview?.flows ?? [], answers = /** @type {Answer[]} */ ([])
	const all = ids === null ? [{flow_id: '*', ...of, expect: preview?.expect}] : flows.map(({flow_id, expect, max_rate}) => ({flow_id, ...of, ...(max_rate && {max_rate}), expect}))
	const before = state.flows.get(flows[0]?.flow_id)
	let problem
	for (let at = 0; at < all.length && !problem; ) {
		const commands = []
		for (let bytes = 0; at < all.length && commands.length < MANY && bytes < BYTES; at++) {
			bytes += new TextEncoder().encode(JSON.stringify(all[at])).length
			commands.push(all[at])
		}
		changed({dialog: Object.assign(dialog, {busy: `${number(at)} of ${number(all.length)} sent…`})})
		try {
			answers.push(...(await ask('commands?wait=10s', {body: {commands}, key})).answers)
		} catch (error) {
			if (!answers.length) throw error
			problem = error
		}
	}
	const [{outcome, detail}] = answers, news = detail.startsWith('changed meanwhile')
	if (all.length === 1 && outcome === 'rejected') return void Object.assign(dialog, {key: newKey(), changed: news ? `Nothing was done: ${detail}` : '', problem: news ? null : detail})
	done(dialog)
	if (all.length === 1) return void told(answers[0], dialog, before)
	const [applied, unchanged, rejected, silent] = ['applied', 'unchanged', 'rejected', null].map(outcome => answers.filter(answer => answer.outcome === outcome))
	const parts = [`${counted(applied.length, 'flow')}: ${kind} applied`, unchanged.length && `${number(unchanged.length)} unchanged`, rejected.length && `${number(rejected.length)} rejected`, silent.length && `${number(silent.length)} not answered so far`, problem && `${number(all.length - answers.length)} not sent: ${why(problem)}`]
	const details = rejected.slice(0, 50).map(answer => `${signs(answer.flow_id)}: ${signs(answer.detail)}`), back = {...dialog, ids: applied.map(answer => answer.flow_id)}
	tell(parts.filter(Boolean).join(', '), {bad: !!(rejected.length || silent.length || problem), details, undo: applied.length ? undo(back, key, before) : null})
}

/** @param {Dialog} dialog */
async function redrive(dialog) {
	const {sentence, stopped, obstacles} = await ask('redrives', {body: {...question(dialog), expect: dialog.redrive?.expect}})
	done(dialog)
	state.letters.path = ''
	tell(signs(sentence.split(';')[0]), {bad: stopped > 0, details: obstacles.map((/** @type {any} */ {item, detail}) => `${item}: ${signs(detail)}`)})
}

/** How an order is taken back; null: it cannot be. @param {Dialog} dialog @param {string} key @param {Flow} [before] */
function undo({kind, ids, form}, key, before) {
	const pause = before?.pause
	if (kind === 'pause') return () => open('resume', ids, {note: 'This ends the pause: what was held since is delivered.'})
	if (kind === 'resume') {
		/** @type {Form} */
		const old = pause && ids?.length === 1 ? {until: Date.parse(pause.resumes_at) > now() + 60_000 ? local(pause.resumes_at) : '', new_records: pause.new_records, keep: pause.keep, on_expiry: pause.on_expiry} : {}
		return () => open('pause', ids, {...old, note: `What was ${form.release === 'none' ? 'discarded since is among the discarded letters' : 'delivered since cannot be called back'}; what is left stays held. It is a new pause.`})
	}
	if (kind !== 'purge') return null
	return () => open('redrive', [], {note: 'It comes back behind what came since, and counts as queued again. Leave the flow paused.'}, {letters: {kind: 'discarded', command: key}})
}
