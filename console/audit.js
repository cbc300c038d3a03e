// What has happened, to one flow or to all.
import {open} from './dialog.js'
import {difference, fold} from './json.js'
import {ensure, foot} from './pages.js'
import {auditors, both, box, button, dated, field, flowLink, form, h, number, select, set, signs, span, state, time, told, unfold} from './parts.js'

const EVENTS = 'seen paused updated resumed expired redirected repaused live purging purged sampling sampled loss_accepted expiring forgotten answer redriven'.split(' ')

/** @returns {Record<string, string>} */
function asked() {
	const {view, id, query} = state.route, given = Object.fromEntries([...query].filter(([name]) => ['flow', 'event', 'by', 'command', 'since'].includes(name)))
	return view === 'flow' ? {...given, flow: id} : given
}

/** @param {boolean} [again] */
export function load(again) {
	const {view, tab} = state.route
	if (state.who && (view === 'audit' || (view === 'flow' && tab === 'audit'))) ensure('audit', `audit?${new URLSearchParams(asked())}`, again)
}

auditors.push(event => {
	const wanted = asked()
	if (!state.route.query.get('follow')) return
	if (!event) return load(true)
	/** @type {Record<string, unknown>} */
	const has = {flow: event.flow_id, event: event.transition ?? event.event, by: event.command?.issued_by ?? event.by, command: event.command?.command_id ?? event.command_id}
	if (Object.keys(has).every(name => !wanted[name] || wanted[name] === has[name])) state.audit.items = [event, ...state.audit.items]
})

/** @param {AuditEvent} event */
function what({event, transition = '', command, outcome = '', detail = '', by = '', reason, source, to, count, within_seconds: within}) {
	const because = command?.reason ?? reason, end = because && [' “', told(because), '”']
	if (event === 'answer') return [h('b', {class: outcome}, `${command?.action ?? 'command'} ${outcome}`), ' ', told(command?.issued_by ?? '?'), `: ${dated(signs(detail))}`, end]
	if (event === 'redriven') return [h('b', 'redriven'), ' ', told(by), `: ${source} came back as ${to}`, end]
	return [h('b', transition.replace('_', ' ')), count && ` ${number(both(count))}`, within && `: resumes by itself within ${span(within * 1000)}`]
}

/** @param {AuditEvent} event */
function item(event) {
	const {flow_id: id, edit, transition, command_id: command} = event, ofAll = state.route.view !== 'flow'
	const key = event.id ?? `${event.at} ${id} ${event.position?.control} ${transition} ${event.to}`
	return h('li.item', {key}, unfold(key, [time(event.at), ofAll && h('span.record', id === null ? 'every flow' : told(id)), h('span.what', what(event))],
		() => [h('p.filters', ofAll && id !== null && h('a', {href: flowLink(id)}, 'Open ', told(id)), transition === 'purged' && button('Redrive what it discarded…', () => open('redrive', [], {}, {letters: {kind: 'discarded', command}}))),
		edit?.after && difference(edit.before?.data ?? '', edit.after.data), fold(event)]))
}

export function view() {
	const {view, query} = state.route, input = (/** @type {string} */ label, placeholder = '') => field(label, {name: label.toLowerCase(), value: query.get(label.toLowerCase()), placeholder})
	return [form(values => {set(values); load(true);}, view === 'audit' && input('Flow'), select('Event', query.get('event') ?? '', [['', 'all'], ...EVENTS.map(name => [name, name.replace('_', ' ')])], {name: 'event'}),
			input('By'), input('Command'), input('Since', '2h'), h('button', 'Look'), box('Follow', !!query.get('follow'), on => {set({follow: on ? '1' : ''}); if (on) load(true);})),
		h('ul', {label: 'Audit events'}, state.audit.items.map(item)), foot('audit', 'event', 'Nothing like that in 400 days.')]
}
